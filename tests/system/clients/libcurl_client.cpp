// libcurl's easy interface: each fiber downloads over HTTPS, and verifies whom it talks to.

#include <curl/curl.h>

#include <csignal>
#include <memory>
#include <ramie/event.hpp>

#include "client.hpp"

namespace {

using client::require;

struct clean_up {
    void operator()(CURL* c) const noexcept { curl_easy_cleanup(c); }
};

class download {
  public:
    explicit download(const std::string& url) : curl_(curl_easy_init()) {
        require(curl_ != nullptr, "no memory for curl");
        set(CURLOPT_URL, url.c_str());
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_NOPROXY, "*");
        set(CURLOPT_WRITEFUNCTION, &append);
        set(CURLOPT_WRITEDATA, this);
    }
    download(download&&) = delete;

    template <class Value>
    void set(CURLoption option, Value value) {
        require(curl_easy_setopt(curl_.get(), option, value) == CURLE_OK, "an unknown option");
    }

    CURLcode perform() { return curl_easy_perform(curl_.get()); }

    const std::string& content() const { return content_; }
    void wait_for_a_part() { begun_.wait(); }

    // Goes on only when as many downloads as meet there have begun.
    void hold_for(client::meeting& others) { others_ = &others; }

  private:
    static std::size_t append(const char* data, std::size_t, std::size_t size, void* self) {
        auto& here = *static_cast<download*>(self);
        const bool first = !here.begun_.is_set();
        here.content_.append(data, size);
        here.begun_.set();
        if (first && here.others_ != nullptr && !here.others_->come()) return 0;  // an error
        return size;
    }

    std::unique_ptr<CURL, clean_up> curl_;
    std::string content_;
    ramie::event begun_;
    client::meeting* others_ = nullptr;
};

// The file of that number, as the test wrote it.
std::string expected_content(int file) {
    std::string content(static_cast<std::size_t>(1000 * (file + 1) * (file + 1)), ' ');
    for (std::size_t i = 0; i != content.size(); ++i)
        content[i] = static_cast<char>(31 * i + 7 * static_cast<std::size_t>(file));
    return content;
}

std::string url(const client::arguments& given, const std::string& path) {
    return "https://" + given.rest.at(0) + ":" + std::to_string(given.port) + "/" + path;
}

void require_ok(CURLcode code) {
    require(code == CURLE_OK, std::string("curl: ") + curl_easy_strerror(code));
}

// downloads PORT FIBERS NAME CA
void downloads(const client::arguments& given) {
    constexpr int files = 10;
    long right = 0;
    client::meeting all(given.fibers);
    client::in_fibers(given.fibers, [&](int fiber) {
        download d(url(given, "file" + std::to_string(fiber % files)));
        d.hold_for(all);
        d.set(CURLOPT_CAINFO, given.rest.at(1).c_str());
        require_ok(d.perform());
        if (d.content() == expected_content(fiber % files)) ++right;
    });
    client::print("right", right);
}

// distrust PORT FIBERS NAME CA: another authority does not vouch for the server.
void distrust(const client::arguments& given) {
    long refused = 0;
    client::in_fibers(given.fibers, [&](int) {
        download d(url(given, "file0"));
        d.set(CURLOPT_CAINFO, given.rest.at(1).c_str());
        const CURLcode code = d.perform();
        require(code == CURLE_PEER_FAILED_VERIFICATION, curl_easy_strerror(code));
        ++refused;
    });
    client::print("refused", refused);
}

// stalled PORT FIBERS MILLISECONDS: the server never answers.
void stalled(const client::arguments& given) {
    long timed_out = 0;
    client::in_fibers(given.fibers, [&](int) {
        download d("http://127.0.0.1:" + std::to_string(given.port));
        d.set(CURLOPT_TIMEOUT_MS, std::stol(given.rest.at(0)));
        if (d.perform() == CURLE_OPERATION_TIMEDOUT) ++timed_out;
    });
    client::print("timed_out", timed_out);
}

// killed PORT FIBERS NAME CA: one fiber, in the middle of a slow download.
void killed(const client::arguments& given) {
    constexpr int file = 9;
    long right = 0;
    const auto fetch = [&](download& d) {
        d.set(CURLOPT_CAINFO, given.rest.at(1).c_str());
        return d.perform();
    };
    const std::string slow = url(given, "slow/file" + std::to_string(file));
    download doomed(slow);
    CURLcode end = CURLE_OK;
    const ramie::fiber<> victim = ramie::spawn([&] { end = fetch(doomed); });
    client::in_fibers(given.fibers, [&](int fiber) {
        download d(slow);
        if (fiber == 0) {
            doomed.wait_for_a_part();
            victim.kill();
        }
        require_ok(fetch(d));
        if (d.content() == expected_content(file)) ++right;
    });
    client::print("right", right);
    client::print("complained", end != CURLE_OK && doomed.content() != expected_content(file));
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return client::main(argc, argv,
                        {{"downloads", &downloads},
                         {"distrust", &distrust},
                         {"stalled", &stalled},
                         {"killed", &killed}});
}
