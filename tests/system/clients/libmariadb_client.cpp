// libmariadb: each fiber holds a connection to MariaDB.

#include <mysql.h>

#include <memory>

#include "client.hpp"

namespace {

using client::require;

struct close_it {
    void operator()(MYSQL* m) const noexcept { mysql_close(m); }
    void operator()(MYSQL_RES* r) const noexcept { mysql_free_result(r); }
};
using connection = std::unique_ptr<MYSQL, close_it>;
using result = std::unique_ptr<MYSQL_RES, close_it>;

constexpr unsigned limit_s = 60;

connection connect(int port) {
    connection c(mysql_init(nullptr));
    mysql_options(c.get(), MYSQL_OPT_CONNECT_TIMEOUT, &limit_s);
    mysql_options(c.get(), MYSQL_OPT_READ_TIMEOUT, &limit_s);
    const bool connected = mysql_real_connect(c.get(), "127.0.0.1", "tester", "", "test",
                                              static_cast<unsigned>(port), nullptr, 0) != nullptr;
    require(connected, mysql_error(c.get()));
    return c;
}

// The first value of the answer, if there is one.
std::string ask(const connection& c, const std::string& statement) {
    const bool accepted = mysql_real_query(c.get(), statement.data(), statement.size()) == 0;
    require(accepted, statement + ": " + mysql_error(c.get()));
    const result r(mysql_store_result(c.get()));
    if (r == nullptr) return {};
    const MYSQL_ROW row = mysql_fetch_row(r.get());
    return row != nullptr && row[0] != nullptr ? row[0] : "";
}

// transactions PORT FIBERS
void transactions(const client::arguments& given) {
    const connection teller = connect(given.port);
    ask(teller, "create table accounts (id int primary key, balance bigint) engine = innodb");
    ask(teller,
        "insert into accounts select seq, 1000 from seq_0_to_" + std::to_string(given.fibers - 1));
    bool let_go = false;
    const ramie::fiber<long> asleep = ramie::spawn([&] {
        const long most = client::most_at_once(given.fibers, [&] {
            return std::stol(ask(teller,
                                 "select count(*) from information_schema.processlist "
                                 "where state = 'User sleep'"));
        });
        let_go = true;
        return most;
    });
    client::in_fibers(given.fibers, [&](int fiber) {
        const connection c = connect(given.port);
        do {
            require(ask(c, "select sleep(1)") == "0", "a sleep that was cut short");
        } while (!let_go);
        const std::string mine = std::to_string(fiber);
        ask(c, "start transaction");
        ask(c, "update accounts set balance = balance + " + mine + " where id = " + mine);
        require(ask(c, "select balance from accounts where id = " + mine) ==
                    std::to_string(1000 + fiber),
                "a wrong balance");
        ask(c, fiber % 2 == 0 ? "commit" : "rollback");
    });
    client::print("asleep_at_once", asleep.get());
    client::print("total", std::stol(ask(teller, "select sum(balance) from accounts")));
}

// A value that takes many packets, there and back. large PORT FIBERS
void large(const client::arguments& given) {
    long right = 0;
    client::in_fibers(given.fibers, [&](int fiber) {
        const std::string value(1'000'000, static_cast<char>('a' + fiber % 26));
        if (ask(connect(given.port), "select '" + value + "'") == value) ++right;
    });
    client::print("right", right);
}

}  // namespace

int main(int argc, char** argv) {
    return client::main(argc, argv, {{"transactions", &transactions}, {"large", &large}});
}
