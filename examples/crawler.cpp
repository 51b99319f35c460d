// Fetches many pages at a time, over Boost.Beast on plain blocking streams.
//
//     crawler < urls                        one http://ADDRESS:PORT/... a line
//     crawler --pool 100 --timeout 2 --retries 2 < urls
//
// A bar on stderr shows how far it is; a summary on stdout names what could not be had. Exit status
// 1 when there is any. Addresses are numbers: names are not resolved.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <ramie/fiber.hpp>
#include <ramie/net/stream.hpp>
#include <ramie/pool.hpp>
#include <ramie/run.hpp>
#include <ramie/timeout.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "complain.hpp"

namespace {

using namespace std::chrono_literals;
namespace http = boost::beast::http;
using ramie::net::tcp_stream;

struct options {
    std::size_t pool = 100;
    double timeout = 5;
    int retries = 2;
    [[nodiscard]] std::chrono::nanoseconds patience() const {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(
            std::chrono::duration<double>(timeout));
    }
};

struct outcome {
    std::string url;
    std::string problem;  // none: it was fetched
    std::size_t bytes = 0;
    int repeated = 0;
};

using response = http::response<http::string_body>;

response get(const std::string& url) {
    const std::string scheme = "http://";
    if (!url.starts_with(scheme)) throw std::invalid_argument("not http");
    const auto slash = std::min(url.find('/', scheme.size()), url.size());
    const std::string host = url.substr(scheme.size(), slash - scheme.size());
    const std::string path = slash == url.size() ? "/" : url.substr(slash);

    auto server = tcp_stream::connect(host);
    http::request<http::empty_body> request(http::verb::get, path, 11);
    request.set(http::field::host, host);
    request.set(http::field::connection, "close");
    http::write(server, request);
    boost::beast::flat_buffer buffer;
    response answer;
    http::read(server, buffer, answer);
    return answer;
}

// What may be better the next time: no answer, a late one, an error of the server's.
bool try_to_fetch(const options& o, outcome& result) {
    try {
        const response page = ramie::with_timeout(o.patience(), [&] { return get(result.url); });
        result.bytes = page.body().size();
        result.problem.clear();
        if (page.result_int() >= 400)
            result.problem = std::to_string(page.result_int()) + " " + std::string(page.reason());
        return page.result_int() < 500;
    } catch (const ramie::timeout_expired&) {
        result.problem = "timed out";
    } catch (const std::system_error& e) {
        result.problem = e.code().message();
    } catch (const boost::system::system_error& e) {  // Beast's
        result.problem = e.code().message();
    } catch (const std::invalid_argument& e) {
        result.problem = e.what();
        return true;
    }
    return false;
}

outcome fetch(const options& o, const std::string& url) {
    outcome result;
    result.url = url;
    while (!try_to_fetch(o, result) && result.repeated != o.retries)
        ramie::this_fiber::sleep_for(100ms * ++result.repeated);
    return result;
}

void draw_bar(std::size_t done, std::size_t all) {
    constexpr std::size_t width = 50;
    const std::string bar(done * width / all, '#');
    std::fprintf(stderr, "\r[%-50s] %zu/%zu%s", bar.c_str(), done, all, done == all ? "\n" : "");
}

int crawl(const options& o, const std::vector<std::string>& urls) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<outcome> failed;
    std::size_t done = 0;
    std::size_t bytes = 0;
    int repeated = 0;
    ramie::pool workers(o.pool);
    const auto fetch_one = [&o](const std::string& url) { return fetch(o, url); };
    for (const outcome& each : workers.imap_unordered(urls, fetch_one)) {
        bytes += each.bytes;
        repeated += each.repeated;
        if (!each.problem.empty()) failed.push_back(each);
        draw_bar(++done, urls.size());
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%zu of %zu pages, %zu bytes in %.2f s; %d attempts were repeated\n",
                done - failed.size(), done, bytes, took.count(), repeated);
    for (const outcome& each : failed)
        std::printf("%s: %s\n", each.url.c_str(), each.problem.c_str());
    return failed.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("Fetches the pages whose URLs are on standard input");
    options o;
    app.add_option("--pool", o.pool, "how many at a time")->capture_default_str();
    app.add_option("--timeout", o.timeout, "seconds for each attempt")->capture_default_str();
    app.add_option("--retries", o.retries, "how often to try again")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    std::vector<std::string> urls;
    for (std::string line; std::getline(std::cin, line);)
        if (!line.empty()) urls.push_back(line);
    return ramie::run([&] { return crawl(o, urls); });
} catch (const std::exception& error) {
    return complain(error);
}
