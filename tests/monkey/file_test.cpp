// Files, read and written on threads while other fibers run.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "ramie/thread_pool.hpp"
#include "support/hanging.hpp"
#include "support/patched_test.hpp"
#include "support/temporary.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;
namespace real = ramie::monkey::detail::real;

class files : public patched_test {
  protected:
    files() { ramie::monkey::patch_file(); }
    void TearDown() override {
        ::rmdir(directory_.c_str());
        // A thread has a hold on the scheduler until it has put its work away.
        while (ramie::default_thread_pool().busy() != 0) ramie::this_fiber::yield();
        patched_test::TearDown();
    }
    [[nodiscard]] std::string path(const std::string& name) const {
        return directory_ + "/" + name;
    }
    int make(const std::string& name, const std::string& text) {
        const int fd = ::open(path(name).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        EXPECT_GE(fd, 0);
        EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        EXPECT_EQ(::lseek(fd, 0, SEEK_SET), 0);
        return fd;
    }

  private:
    std::string directory_ = make_temporary_folder();
};

// The call has the fiber's buffer: it must not be left behind.
TEST_F(files, keep_a_killed_fiber_until_the_transfer_has_ended) {
    const int fd = make("slow", "text");
    hanging<real::read> disk;
    bool completed = false;
    auto reader = spawn([&] {
        std::array<char, 4> text{};
        EXPECT_EQ(::read(fd, text.data(), text.size()), 4);
        completed = true;
        ramie::this_fiber::yield();
        ADD_FAILURE() << "the kill is lost";
    });
    while (disk.waiting() == 0) ramie::this_fiber::yield();
    EXPECT_FALSE(reader.kill(5ms));
    EXPECT_FALSE(completed);
    disk.let_go();
    reader.join();
    EXPECT_TRUE(completed);
    ::close(fd);
    ::unlink(path("slow").c_str());
}

TEST_F(files, are_read_by_a_thousand_fibers) {
    const int fd = make("shared", std::string(1000 * 8, 'x'));
    std::vector<ramie::fiber<>> all;
    for (int i = 0; i != 1000; ++i)
        all.push_back(spawn([&, i] {
            const std::string mine = std::to_string(10'000'000 + i);
            ASSERT_EQ(::pwrite(fd, mine.data(), 8, 8 * i), 8);
            std::string seen(8, ' ');
            ASSERT_EQ(::pread(fd, seen.data(), 8, 8 * i), 8);
            EXPECT_EQ(seen, mine);
        }));
    for (const auto& each : all) each.get();
    EXPECT_EQ(::fsync(fd), 0);
    ::close(fd);
    ::unlink(path("shared").c_str());
}

TEST_F(files, fail_with_the_error_of_the_plain_call) {
    struct stat status {};
    errno = 0;
    EXPECT_EQ(::stat(path("none").c_str(), &status), -1);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_EQ(::rmdir("/proc"), -1);
    EXPECT_EQ(errno, EBUSY);
    EXPECT_EQ(::opendir(path("none").c_str()), nullptr);
    EXPECT_EQ(errno, ENOENT);
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    char byte = 0;
    EXPECT_EQ(::pread(ends[0], &byte, 1, 0), -1);
    EXPECT_EQ(errno, ESPIPE);
    for (const int end : ends) ::close(end);
}

TEST_F(files, are_made_renamed_listed_and_removed) {
    ASSERT_EQ(::mkdir(path("d").c_str(), 0700), 0);
    ::close(make("d/one", "1"));
    EXPECT_EQ(::rename(path("d/one").c_str(), path("d/two").c_str()), 0);
    DIR* const listing = ::opendir(path("d").c_str());
    ASSERT_NE(listing, nullptr);
    std::string seen;
    errno = 0;
    while (const dirent* const entry = ::readdir(listing))
        if (entry->d_name[0] != '.') seen += entry->d_name;
    EXPECT_EQ(errno, 0);
    ::closedir(listing);
    EXPECT_EQ(seen, "two");
    struct stat status {};
    EXPECT_EQ(::stat(path("d/two").c_str(), &status), 0);
    EXPECT_EQ(status.st_size, 1);
    EXPECT_EQ(::unlink(path("d/two").c_str()), 0);
    EXPECT_EQ(::rmdir(path("d").c_str()), 0);
}

}  // namespace
