// hiredis: each fiber holds a connection to Redis.

#include <hiredis/hiredis.h>

#include <memory>

#include "client.hpp"

namespace {

using client::require;

struct free_it {
    void operator()(redisContext* c) const noexcept { redisFree(c); }
    void operator()(redisReply* r) const noexcept { freeReplyObject(r); }
};
using connection = std::unique_ptr<redisContext, free_it>;
using reply = std::unique_ptr<redisReply, free_it>;

connection connect(int port) {
    connection c(redisConnect("127.0.0.1", port));
    require(c != nullptr && c->err == 0, c ? c->errstr : "no memory");
    return c;
}

std::string_view text_of(const redisReply& r) { return {r.str, static_cast<std::size_t>(r.len)}; }

reply ask(const connection& c, std::initializer_list<std::string_view> words) {
    std::vector<const char*> texts;
    std::vector<std::size_t> lengths;
    for (const std::string_view word : words) {
        texts.push_back(word.data());
        lengths.push_back(word.size());
    }
    reply r(static_cast<redisReply*>(
        redisCommandArgv(c.get(), static_cast<int>(words.size()), texts.data(), lengths.data())));
    if (r == nullptr) client::fail(std::string(*words.begin()) + ": " + c->errstr);
    if (r->type == REDIS_REPLY_ERROR) client::fail(std::string(text_of(*r)));
    return r;
}

void expect_text(const reply& r, std::string_view expected) {
    if (text_of(*r) == expected) return;
    client::fail(std::string(text_of(*r)) + " in place of " + std::string(expected));
}

void expect_number(const reply& r, long long expected) {
    if (r->type == REDIS_REPLY_INTEGER && r->integer == expected) return;
    client::fail(std::to_string(r->integer) + " in place of " + std::to_string(expected));
}

// Four commands, each of which depends on the ones before.
void converse(const connection& c, const std::string& name, int round) {
    const std::string value = name + ":" + std::to_string(round);
    expect_text(ask(c, {"SET", name, value}), "OK");
    expect_number(ask(c, {"APPEND", name, "."}), static_cast<long long>(value.size()) + 1);
    expect_text(ask(c, {"GET", name}), value + ".");
    ask(c, {"INCR", "rounds"});
}

void commands(const client::arguments& given) {
    const int rounds = std::stoi(given.rest.at(0)) / 4;
    client::meeting all(given.fibers);
    client::in_fibers(given.fibers, [&](int fiber) {
        const connection c = connect(given.port);
        require(all.come(), "not all are connected at once");
        const std::string name = "fiber" + std::to_string(fiber);
        for (int round = 0; round != rounds; ++round) converse(c, name, round);
    });
    const reply total = ask(connect(given.port), {"GET", "rounds"});
    client::print("commands", 4 * std::stol(std::string(text_of(*total))));
}

// A token goes around: each fiber blocks until its neighbour hands it over, one higher.
void ring(const client::arguments& given) {
    const int laps = std::stoi(given.rest.at(0));
    const auto place = [&](int fiber) { return "place" + std::to_string(fiber % given.fibers); };
    ask(connect(given.port), {"RPUSH", place(0), "0"});
    client::in_fibers(given.fibers, [&](int fiber) {
        const connection c = connect(given.port);
        for (int lap = 0; lap != laps; ++lap) {
            const reply got = ask(c, {"BLPOP", place(fiber), "0"});
            require(got->type == REDIS_REPLY_ARRAY && got->elements == 2, "no element");
            const int token = std::stoi(std::string(text_of(*got->element[1])));
            require(token == lap * given.fibers + fiber, "not my token");
            ask(c, {"RPUSH", place(fiber + 1), std::to_string(token + 1)});
        }
    });
    const reply last = ask(connect(given.port), {"LPOP", place(0)});
    client::print("token", std::stol(std::string(text_of(*last))));
}

long number_after(std::string_view name, std::string_view text) {
    const std::size_t at = text.find(name);
    require(at != text.npos, "Redis does not tell its " + std::string(name));
    return std::stol(std::string(text.substr(at + name.size())));
}

// Nobody pushes: each waits for a whole second, and for another one until Redis says that all do.
void waiting(const client::arguments& given) {
    long empty = 0;
    bool let_go = false;
    const ramie::fiber<long> blocked = ramie::spawn([&] {
        const connection c = connect(given.port);
        const long most = client::most_at_once(given.fibers, [&] {
            return number_after("blocked_clients:", text_of(*ask(c, {"INFO", "clients"})));
        });
        let_go = true;
        return most;
    });
    client::in_fibers(given.fibers, [&](int) {
        const connection c = connect(given.port);
        do {
            require(ask(c, {"BLPOP", "nothing", "1"})->type == REDIS_REPLY_NIL, "not nothing");
        } while (!let_go);
        ++empty;
    });
    client::print("empty", empty);
    client::print("blocked_at_once", blocked.get());
}

void receive(const connection& c, int messages) {
    for (int i = 0; i != messages; ++i) {
        void* got = nullptr;
        if (redisGetReply(c.get(), &got) != REDIS_OK) client::fail(c->errstr);
        const reply message(static_cast<redisReply*>(got));
        require(message->elements == 3, "not a message");
        require(text_of(*message->element[2]) == std::to_string(i), "a message out of order");
    }
}

void publish(const connection& c, int subscribers, int messages) {
    // Redis itself says when all are there.
    while (ask(c, {"PUBSUB", "NUMSUB", "news"})->element[1]->integer != subscribers) continue;
    for (int i = 0; i != messages; ++i)
        expect_number(ask(c, {"PUBLISH", "news", std::to_string(i)}), subscribers);
}

void subscriptions(const client::arguments& given) {
    const int messages = std::stoi(given.rest.at(0));
    long received = 0;
    client::in_fibers(given.fibers + 1, [&](int fiber) {
        const connection c = connect(given.port);
        if (fiber == given.fibers) return publish(c, given.fibers, messages);
        ask(c, {"SUBSCRIBE", "news"});
        receive(c, messages);
        received += messages;
    });
    client::print("received", received);
}

}  // namespace

int main(int argc, char** argv) {
    return client::main(argc, argv,
                        {{"commands", &commands},
                         {"ring", &ring},
                         {"waiting", &waiting},
                         {"subscriptions", &subscriptions}});
}
