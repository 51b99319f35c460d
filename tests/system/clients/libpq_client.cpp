// libpq: each fiber holds a connection to PostgreSQL.

#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <ramie/event.hpp>

#include "client.hpp"

namespace {

using client::require;

struct finish {
    void operator()(PGconn* c) const noexcept { PQfinish(c); }
    void operator()(PGresult* r) const noexcept { PQclear(r); }
};
using connection = std::unique_ptr<PGconn, finish>;
using result = std::unique_ptr<PGresult, finish>;

constexpr int accounts = 100;
constexpr long opening_balance = 1'000'000;

connection connect(int port) {
    const std::string where =
        "host=127.0.0.1 user=postgres dbname=postgres port=" + std::to_string(port);
    connection c(PQconnectdb(where.c_str()));
    require(PQstatus(c.get()) == CONNECTION_OK, PQerrorMessage(c.get()));
    return c;
}

result ask(const connection& c, const std::string& statement) {
    result r(PQexec(c.get(), statement.c_str()));
    const ExecStatusType status = PQresultStatus(r.get());
    require(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK,
            statement + ": " + PQerrorMessage(c.get()));
    return r;
}

long number(const result& r, int row = 0, int column = 0) {
    return std::atol(PQgetvalue(r.get(), row, column));
}

struct transfer {
    int from, to;
    long amount;
};

transfer transfer_of(int fiber) {
    return {fiber % accounts, (7 * fiber + 3) % accounts, fiber + 1};  // never to itself
}

void change(const connection& c, int account, long by) {
    ask(c, "update accounts set balance = balance + " + std::to_string(by) +
               " where id = " + std::to_string(account));
}

// The lower account first, always: two transfers never wait for one another.
void carry_out(const connection& c, int fiber, const transfer& t) {
    ask(c, "begin");
    change(c, std::min(t.from, t.to), t.from < t.to ? -t.amount : t.amount);
    change(c, std::max(t.from, t.to), t.from < t.to ? t.amount : -t.amount);
    ask(c, "insert into transfers values (" + std::to_string(fiber) + ", pg_backend_pid())");
    ask(c, "commit");
}

void check_balances(const connection& c, int transfers) {
    std::vector<long> expected(accounts, opening_balance);
    for (int fiber = 0; fiber != transfers; ++fiber) {
        const transfer t = transfer_of(fiber);
        expected[static_cast<std::size_t>(t.from)] -= t.amount;
        expected[static_cast<std::size_t>(t.to)] += t.amount;
    }
    const result rows = ask(c, "select balance from accounts order by id");
    for (int id = 0; id != accounts; ++id) {
        require(number(rows, id) == expected[static_cast<std::size_t>(id)],
                "account " + std::to_string(id) + " holds " + PQgetvalue(rows.get(), id, 0));
    }
}

// Sleeps for a second, and for another one until it is let go.
constexpr const char* nap = R"(
    create function nap() returns void language plpgsql as $$ begin
        loop
            perform pg_sleep(1);
            exit when pg_try_advisory_lock_shared(1);
        end loop;
    end $$)";

void hold_the_sleepers(const connection& c) {
    ask(c, nap);
    ask(c, "select pg_advisory_lock(1)");
}

// Lets them go when the server says that all of them sleep. Returns how many did at once.
long wake_the_sleepers(const connection& c, int all) {
    const long most = client::most_at_once(all, [&] {
        return number(ask(c, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"));
    });
    ask(c, "select pg_advisory_unlock(1)");
    return most;
}

void transactions(const client::arguments& given) {
    const connection teller = connect(given.port);
    ask(teller, "create table accounts (id int primary key, balance bigint)");
    ask(teller, "create table transfers (fiber int primary key, backend int)");
    ask(teller, "insert into accounts select id, " + std::to_string(opening_balance) +
                    " from generate_series(0, " + std::to_string(accounts - 1) + ") id");
    hold_the_sleepers(teller);
    const ramie::fiber<long> asleep =
        ramie::spawn([&] { return wake_the_sleepers(teller, given.fibers); });
    client::in_fibers(given.fibers, [&](int fiber) {
        const connection c = connect(given.port);
        ask(c, "select nap()");
        carry_out(c, fiber, transfer_of(fiber));
    });
    client::print("asleep_at_once", asleep.get());
    client::print("threads", client::threads_of_this_process());
    check_balances(teller, given.fibers);
    const result counts = ask(teller, "select count(*), count(distinct backend) from transfers");
    client::print("transfers", number(counts, 0, 0));
    client::print("connections", number(counts, 0, 1));
}

// A fiber is killed in a statement: libpq reports an error, and the rest goes on.
void killed(const client::arguments& given) {
    long ended = 0;
    std::string complaint;
    ramie::event connected;
    const ramie::fiber<> victim = ramie::spawn([&] {
        const connection c = connect(given.port);
        connected.set();
        const result r(PQexec(c.get(), "select pg_sleep(60)"));
        complaint = PQerrorMessage(c.get());
    });
    client::in_fibers(given.fibers, [&](int fiber) {
        const connection c = connect(given.port);
        if (fiber == 0) {
            connected.wait();
            victim.kill();
        }
        require(number(ask(c, "select 6 * 7, pg_sleep(0.3)")) == 42, "a wrong product");
        ++ended;
    });
    std::fprintf(stderr, "the killed one: %s", complaint.c_str());
    client::print("ended", ended);
    client::print("complained", complaint.empty() ? 0 : 1);
}

}  // namespace

int main(int argc, char** argv) {
    return client::main(argc, argv, {{"transactions", &transactions}, {"killed", &killed}});
}
