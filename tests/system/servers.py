"""The servers of Debian's packages, each on a free port of 127.0.0.1 with its data in a temporary folder.

    with servers.redis() as port: ...

A server ends with the block, or with the process that started it. Those that refuse to run as root
run as the user of their package.
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from programs import free_port, run, running, wait_for_port, wait_until


@contextlib.contextmanager
def folder_of(user):
    """A temporary folder that belongs to the user that as_user() runs programs as."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if os.geteuid() == 0:
            about = pwd.getpwnam(user)
            os.chown(folder, about.pw_uid, about.pw_gid)
        yield folder


def as_user(user, *command):
    """The command, with root's rights dropped, and with a death that follows this process's."""
    rights = ["--reuid", user, "--regid", user, "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *rights, "--pdeathsig", "KILL", *map(str, command)]


@contextlib.contextmanager
def quietly(folder, *command, **options):
    """A server, until the end of the block; what it wrote is shown only when the block fails."""
    with tempfile.TemporaryFile() as output:
        try:
            with running(*command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                         stderr=subprocess.STDOUT, **options) as server:
                yield server
        except BaseException:
            output.seek(0)
            sys.stderr.write(output.read()[-10_000:].decode(errors="replace"))
            raise


def prepare(*command, **options):
    status, output, errors = run(*command, **options)
    if status != 0:
        raise AssertionError(f"{command}: {output}{errors}")


def postgresql_programs():
    """Debian keeps them in a folder for each version."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1] if found else pathlib.Path(shutil.which("initdb")).parent


@contextlib.contextmanager
def postgresql(connections):
    programs = postgresql_programs()
    port = free_port()
    with folder_of("postgres") as folder:
        prepare(*as_user("postgres", programs / "initdb", "--pgdata", folder / "data",
                         "--username", "postgres", "--auth", "trust", "--no-sync",
                         "--encoding", "UTF8", "--no-locale"), cwd=folder)
        settings = {"port": port, "listen_addresses": "127.0.0.1", "fsync": "off",
                    "unix_socket_directories": folder, "max_connections": connections + 20,
                    "shared_buffers": "32MB", "autovacuum": "off"}
        with quietly(folder, *as_user(
                "postgres", programs / "postgres", "-D", folder / "data",
                *(f"--{name}={value}" for name, value in settings.items())),
                stop=signal.SIGINT) as server:
            wait_until(lambda: run(programs / "pg_isready", "--host", "127.0.0.1", "--port", port,
                                   "--username", "postgres")[0] == 0, server, "is not ready")
            yield port


@contextlib.contextmanager
def redis():
    port = free_port()
    with folder_of("root") as folder:
        with quietly(folder, *as_user("root", "redis-server", "--port", port, "--bind", "127.0.0.1",
                                      "--dir", folder, "--save", "", "--appendonly", "no",
                                      "--maxclients", 2000)) as server:
            wait_for_port(port, server)
            yield port


@contextlib.contextmanager
def mariadb(connections):
    port = free_port()
    with folder_of("mysql") as folder:
        data = folder / "data"
        prepare(*as_user("mysql", "mariadb-install-db", "--no-defaults", f"--datadir={data}",
                         "--auth-root-authentication-method=normal", "--skip-test-db"), cwd=folder)
        start = folder / "start.sql"
        start.write_text("create database test;\ncreate user tester@'127.0.0.1';\n"
                         "grant all on test.* to tester@'127.0.0.1';\n")
        with quietly(folder, *as_user(
                "mysql", shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults",
                f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
                f"--socket={folder}/socket", f"--pid-file={folder}/pid", f"--init-file={start}",
                "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0",
                f"--max-connections={connections + 20}", f"--back-log={connections}")) as server:
            wait_for_port(port, server)
            yield port


@contextlib.contextmanager
def rabbitmq():
    port, names_port, nodes_port = free_port(), free_port(), free_port()
    with folder_of("rabbitmq") as folder:
        environment = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder),
            "ERL_EPMD_PORT": str(names_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "ramie@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port), "RABBITMQ_DIST_PORT": str(nodes_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data", "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_LOGS": "-", "RABBITMQ_CONFIG_FILE": f"{folder}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RUNNING_UNDER_SYSTEMD": "true"}  # no shell stays between this process and Erlang
        # Erlang's registry of nodes would otherwise be started in the background, and stay.
        with quietly(folder, *as_user("rabbitmq", "epmd"), env=environment) as names:
            wait_for_port(names_port, names)
            with quietly(folder, *as_user("rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server"),
                         env=environment) as server:
                wait_for_port(port, server)
                yield port


def certificates(folder, *names):
    """A new authority in folder/ca.pem, and the server's certificate and key in folder/server.pem."""
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "2"]
    prepare(*request, "-subj", "/CN=ramie test authority", "-keyout", folder / "ca.key",
            "-out", folder / "ca.pem")
    prepare(*request, "-subj", "/CN=ramie test server", "-keyout", folder / "server.key",
            "-out", folder / "server.crt", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
            "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names),
            "-addext", "basicConstraints=critical,CA:FALSE")
    (folder / "server.pem").write_bytes((folder / "server.crt").read_bytes() +
                                        (folder / "server.key").read_bytes())


def nginx_configuration(folder, server):
    """In one process, whose every file is in the folder."""
    return f"""
        daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
        worker_rlimit_nofile 8192;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
            uwsgi_temp_path {folder}; scgi_temp_path {folder};
            server {{ root {folder}; {server} }}
        }}"""


def nginx_command(folder, server):
    """Starts nginx in the folder; `server` is what its configuration says of the server."""
    (folder / "nginx.conf").write_text(nginx_configuration(folder, server))
    folder.chmod(0o755)
    return ["/usr/sbin/nginx", "-c", f"{folder}/nginx.conf", "-p", folder]


@contextlib.contextmanager
def https(files, name):
    """Serves the files (name to content) over HTTPS, and slowly below /slow/: the port, and the
    file of the authority that vouches for the name."""
    port = free_port()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        certificates(folder, name)
        for path, content in files.items():
            (folder / path).write_bytes(content)
        command = nginx_command(folder, f"""
            listen {socket.gethostbyname(name)}:{port} ssl backlog=2048;
            ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
            location /slow/ {{ alias {folder}/; limit_rate 100k; }}""")
        with quietly(folder, *as_user("root", *command)) as server:
            wait_for_port(port, server, socket.gethostbyname(name))
            yield port, folder / "ca.pem"
