"""What a policy finds in an image: trees as text, and the findings as lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from exports import export

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.manifest import Edge, EdgeKind, Fragment, Package
from rootfs_ansible.model.policy import Policy, Rule, Verdict
from rootfs_ansible.pack.policy import evaluate, read_policy, short_table, table, way_out
from rootfs_ansible.store.layout import Store

Judge = Callable[..., list[str]]

KEY = "-----BEGIN PRIVATE KEY-----\n" + "Q" * 64 + "\n-----END PRIVATE KEY-----\n"
RSA_KEY = KEY.replace("PRIVATE", "RSA PRIVATE")
LOCKED_KEY = KEY.replace("--\n", "--\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\n", 1)
# As an issuer makes them, but for their digits; in two pieces, so that no scanner takes them.
AWS, GITHUB = "AKIA" + "Q" * 16, "ghp_" + "q" * 36


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., Verdict]:
    """Return what a policy says of a tree, all of it in a store."""

    def judge(
        tree: str,
        *,
        said: Any = None,
        allow: Any = None,
        files: Mapping[str, str | bytes] | None = None,
        **more: Any,
    ) -> Verdict:
        contents = {
            f"app {path}": (0o644, text.encode() if isinstance(text, str) else text)
            for path, text in (files or {}).items()
        }
        exported = export(tmp_path / "export", tree, contents=contents, **more)
        store = Store(tmp_path / "store")
        blobs = store.directory / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        for layer in exported.fragment.layers:
            exported.tar(layer.name).rename(blobs / layer.digest.removeprefix("sha256:"))
        return evaluate(exported.fragment, Policy.parse(said, allow), store)

    return judge


@pytest.fixture
def found(judged: Callable[..., Verdict]) -> Judge:
    """Return the findings of a tree, as ``RULE PATH DETAIL``."""

    def find(tree: str, **more: Any) -> list[str]:
        return [f"{finding.rule} {finding.path} {finding.detail.partition(';')[0]}"
                for finding in judged(tree, **more).findings]  # fmt: skip

    return find


def of(lines: list[str]) -> list[str]:
    """The rules and paths alone."""
    return [" ".join(line.split(" ")[:2]) for line in lines]


class TestPrograms:
    @pytest.mark.parametrize(
        ("path", "rule"),
        [
            ("/usr/bin/dash", "shell"),
            ("/usr/bin/busybox", "shell"),
            ("/usr/local/sbin/zsh-5.9", "shell"),
            # Wherever it was copied to.
            ("/app/tools/bash", "shell"),
            ("/usr/bin/dpkg-deb", "package_manager"),
            ("/usr/bin/apt-get", "package_manager"),
            ("/usr/local/bin/npx", "package_manager"),
            ("/usr/bin/pip3.13", "package_manager"),
            ("/usr/bin/cabal", "package_manager"),
            ("/sbin/apk", "package_manager"),
            ("/usr/bin/x86_64-linux-gnu-gcc-14", "compiler"),
            ("/usr/bin/aarch64-alpine-linux-musl-g++", "compiler"),
            ("/usr/bin/ld.bfd", "compiler"),
            ("/usr/libexec/gcc/x86_64-linux-gnu/14/cc1plus", "compiler"),
            ("/usr/bin/ghc-9.6.6", "compiler"),
            ("/usr/local/bin/ansible-playbook", "configuration_manager"),
            # Each of these is something else.
            ("/usr/bin/ld.so", None),
            ("/usr/bin/shred", None),
            ("/usr/bin/node", None),
            ("/usr/bin/python3.13", None),
            ("/usr/bin/perl", None),
            ("/usr/bin/dashboard", None),
            ("/app/make", None),
            ("/app/lib/stack", None),
            ("/app/node_modules/rc/bash", None),
            ("/app/node_modules/.bin/sh", None),
        ],
    )
    def test_a_program_is_known_by_its_name(
        self, found: Judge, path: str, rule: str | None
    ) -> None:
        lines = found(f"app {path} file 0755 x")
        assert of(lines) == ([f"{rule} {path}"] if rule else [])

    def test_what_cannot_be_run_is_no_program(self, found: Judge) -> None:
        assert found("""
            app /usr/share/menu/dash file 0644 x
            app /usr/bin/sh -> dash
            app /var/lib/dpkg dir 0755
            app /usr/bin/bash dir 0755
            app /usr/bin/zsh -> /etc/zsh
            app /etc/zsh file 0644 x
        """) == []  # fmt: skip

    def test_a_name_that_others_have_is_known_by_its_package(self, found: Judge) -> None:
        tree = "system /usr/bin/rc file 0755 x\nsystem /usr/lib/plan9/bin/es file 0755 y"
        assert found(tree) == []
        tree += "\nsystem /usr/share/rc/example file 0755 z"
        owners = {"/usr/bin/rc": "rc", "/usr/lib/plan9/bin/es": "9base:amd64"}
        owners |= {"/usr/share/rc/example": "rc"}
        lines = found(tree, owners=owners)
        assert of(lines) == ["shell /usr/bin/rc", "shell /usr/lib/plan9/bin/es"]

    def test_a_link_a_hard_link_and_a_copy_are_what_they_lead_to(self, found: Judge) -> None:
        assert found("""
            system /bin -> usr/bin
            system /usr dir 0755
            system /usr/bin dir 0755
            system /usr/bin/dash file 0755 shell
            system /usr/bin/run = /usr/bin/dash
            app /app/copied file 0700 shell
            app /app/copied.txt file 0644 shell
            app /app/one -> two
            app /app/two -> /bin/dash
            app /app/gone -> /bin/gone
            app /app/round -> round
        """) == [
            "shell /app/copied the same file as /usr/bin/dash",
            "shell /app/one leads to /usr/bin/dash",
            "shell /app/two leads to /usr/bin/dash",
            "shell /usr/bin/dash file 0755, 5 B",
            "shell /usr/bin/run the same file as /usr/bin/dash",
        ]  # fmt: skip

    def test_what_is_called_a_shell_is_one_whatever_it_leads_to(self, found: Judge) -> None:
        assert found("""
            app /opt/oil file 0755 x
            app /usr/bin/sh -> /opt/oil
        """) == ["shell /usr/bin/sh leads to /opt/oil"]  # fmt: skip

    @pytest.mark.parametrize(
        ("rule", "directory", "mark"),
        [
            ("package_manager", "/app/node_modules/npm", "package.json"),
            ("package_manager", "/usr/share/nodejs/corepack", "package.json"),
            ("package_manager", "/usr/local/lib/python3.13/dist-packages/pip", "__init__.py"),
            ("configuration_manager", "/opt/lib/python3.13/site-packages/ansible", "__init__.py"),
        ],
    )  # fmt: skip
    def test_a_library_that_can_be_run_needs_no_program(
        self, found: Judge, rule: str, directory: str, mark: str
    ) -> None:
        tree = f"app {directory} dir 0755\napp {directory}/{mark} file 0644 x"
        assert found(tree) == [f"{rule} {directory} a library that can be run"]
        assert found(tree.replace(mark, f"other/{mark}")) == []


class TestModes:
    @pytest.mark.parametrize(
        ("value", "names"),
        [
            ("0100000200200000000000000000000000000000", "net_raw"),
            ("0100000200000000000000004002000000000000", "perfmon, capability 41"),
            ("010000010004000000000000", "net_bind_service"),
            ("010000010000000000040000", "net_bind_service"),
            ("01000003000400000000000000000000000000000a000000", "net_bind_service"),
            ("zz", "none"),
            ("", "none"),
        ],
    )
    def test_capabilities_are_named(self, tmp_path: Path, value: str, names: str) -> None:
        exported = export(tmp_path, "app /x file 0755 x").with_entry(
            "/x", lambda entry: replace(entry, xattrs=(("security.capability", value),))
        )
        verdict = evaluate(exported.fragment, Policy(disabled=(Rule.SECRET,)), Store(tmp_path))
        assert [finding.detail.partition(";")[0] for finding in verdict.findings] == [
            f"capabilities: {names}"
        ]

    def test_a_directory_that_gives_its_group_to_its_files_is_none(self, found: Judge) -> None:
        assert found("app /srv/spool dir 2770\napp /x file 0755 0:0 user.note=00 x") == []

    @pytest.mark.parametrize("mode", [0o4755, 0o2755])
    def test_bits_that_are_never_shipped_are_found_all_the_same(
        self, tmp_path: Path, mode: int
    ) -> None:
        exported = export(tmp_path, "app /x file 0755 x")
        exported = exported.with_entry("/x", lambda entry: replace(entry, mode=mode))
        verdict = evaluate(exported.fragment, Policy(disabled=(Rule.SECRET,)), Store(tmp_path))
        assert [finding.rule for finding in verdict.findings] == [Rule.SETUID]

    def test_what_everybody_may_write_but_sticky_directories_and_links(self, found: Judge) -> None:
        assert of(found("""
            app /a file 0666 x
            app /b dir 0777
            app /tmp dir 1777
            app /c -> a
            app /d file 0664 x
            app /e file 1666 x
        """)) == ["world_writable /a", "world_writable /b", "world_writable /e"]  # fmt: skip


class TestSecrets:
    @pytest.mark.parametrize(
        ("path", "text", "what"),
        [
            ("/root/.ssh/id_rsa", "x", "is called id_rsa"),
            ("/app/store.p12", "x", "is called store.p12"),
            ("/app/vault.kdbx", "x", "is called vault.kdbx"),
            ("/app/tls.pem", KEY, "holds a private key"),
            ("/app/server.txt", "first\n" + RSA_KEY, "holds a private key"),
            ("/app/locked.pem", LOCKED_KEY, "holds a private key"),
            ("/app/robot.json", json.dumps({"private_key": KEY}), "holds a private key"),
            ("/app/node_modules/agent/id", KEY, "holds a private key"),
            ("/app/node_modules/agent/robot.json", f'{{"key": "{KEY}"}}', "holds a private key"),
            ("/app/putty", "PuTTY-User-Key-File-3: ssh-rsa", "holds a private key"),
            ("/app/config.js", f"const key = '{AWS}';", "holds an access key of AWS"),
            ("/app/ci.js", f"token={GITHUB}\n", "holds a token of GitHub"),
            ("/app/.npmrc", "//npm.example/:_authToken=abc", "holds a token of a registry"),
            ("/root/.pypirc", "[pypi]\npassword: abc", "holds a password"),
            ("/root/pip.conf", "index-url = https://me:word@pypi.example/", "holds a password"),
            ("/root/.netrc", "machine x login y password z", "holds a password"),
            ("/root/.git-credentials", "https://me:word@git.example", "holds a password"),
            ("/root/.pgpass", "# host\ndb:5432:shop:me:word\n", "holds a password"),
            ("/root/.docker/config.json", '{"auth": "eDp5"}', "holds a token of a registry"),
            ("/root/.aws/credentials", "aws_secret_access_key = abc", "holds an access key"),
            ("/root/.kube/config", "users:\n- user:\n    token: abc", "holds an access key"),
            ("/etc/shadow", "root:*:1::\nme:$y$j9T$x:1::\n", "holds a password"),
            ("/app/.env", "A=1\nexport DB_PASSWORD='hunter2'\n", "holds a value for DB_PASSWORD"),
            ("/app/.env.production", "API_KEY=abcdefgh", "holds a value for API_KEY"),
            ("/app/.env", "DATABASE_URL=postgres://me:word@db/shop", "holds a password"),
        ],
    )  # fmt: skip
    def test_a_file_that_looks_like_a_secret(
        self, found: Judge, path: str, text: str, what: str
    ) -> None:
        lines = found("app /app/main file 0644 x", files={path: text, "/app/other": "plain"})
        assert lines == [f"secret {path} {what}"]

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("/root/.ssh/id_rsa.pub", "ssh-rsa AAAA"),
            ("/app/ca.pem", KEY.replace("PRIVATE KEY", "CERTIFICATE")),
            ("/app/public.key", KEY.replace("PRIVATE", "PUBLIC")),
            # What reads keys names what they begin with; an example leaves them out.
            ("/app/jwt.js", "if (text.startsWith('-----BEGIN PRIVATE KEY-----')) {}"),
            ("/app/README", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----"),
            ("/app/doc.js", "AKIAIOSFODNN7EXAMPLE"),
            ("/app/long.js", "x" + AWS),
            ("/app/longer.js", AWS + "Q"),
            ("/app/.npmrc", "//npm.example/:_authToken=${NPM_TOKEN}\nsave-exact=true"),
            ("/root/pip.conf", "index-url = https://pypi.example/simple"),
            ("/root/.docker/config.json", '{"credsStore": "pass"}'),
            ("/etc/shadow", "root:*:1::\nme:!:1::\n"),
            ("/app/.env", "A=1\nDB_PASSWORD=\nTOKEN=${T}\nSECRET=changeme\nUSE_TOKEN=true\n"),
            ("/app/.env.example", "DB_PASSWORD=hunter2"),
            ("/app/environment", "DB_PASSWORD=hunter2"),
            ("/app/node_modules/agent/test/server.pem", KEY),
            ("/app/node_modules/agent/README.md", f"so:\n{KEY}"),
            ("/usr/lib/python3/site-packages/cloud.py", f"text = '{KEY}'"),
            ("/usr/local/lib/python3.13/dist-packages/tornado/test/test.key", KEY),
        ],
    )  # fmt: skip
    def test_what_only_looks_like_one_at_a_glance(self, found: Judge, path: str, text: str) -> None:
        assert found("app /app/main file 0644 x", files={path: text}) == []

    @pytest.mark.parametrize(
        ("content", "is_key"),
        [
            (b"\x30\x82\x04\xbd\x02\x01\x00", True),
            (b"\x30\x77\x02\x01\x01", True),
            # A certificate: a sequence in a sequence.
            (b"\x30\x82\x03\x05\x30\x82\x01", False),
        ],
    )
    def test_a_key_in_bytes(self, found: Judge, content: bytes, is_key: bool) -> None:
        lines = found("app /x file 0644 x", files={"/app/a.der": content, "/app/b.txt": content})
        assert lines == ["secret /app/a.der holds a private key"] * is_key

    def test_a_name_that_a_build_made_is_no_trouble(self, found: Judge) -> None:
        assert of(found("app /x file 0644 x", files={"/app/\udcff\n.pem": KEY})) == [
            "secret /app/\udcff\n.pem"
        ]

    def test_keys_are_looked_for_in_every_layer_and_tokens_in_the_app_s(self, found: Judge) -> None:
        key = KEY.replace("\n", r"\n")
        tree = f"""
            dependencies /app/node_modules/x/index.js file 0644 {AWS}
            dependencies /app/node_modules/x/key file 0644 {key}
            app /app/main.js file 0644 {AWS}
        """
        assert of(found(tree)) == ["secret /app/main.js", "secret /app/node_modules/x/key"]

    def test_what_a_distribution_publishes_is_no_secret(self, found: Judge) -> None:
        key = KEY.replace("\n", r"\n")
        tree = f"system /usr/lib/x/key.pem file 0644 {key}\napp /app/main file 0644 x"
        owners = {"/usr/lib/x/key.pem": "x"}
        assert len(found(tree)) == 1
        assert found(tree, owners=owners) == []
        # What a role wrote in its place is the app's.
        assert len(found(tree.replace("system", "app"), owners=owners)) == 1

    def test_a_secret_has_every_name_that_it_is_linked_by(self, found: Judge) -> None:
        tree = """
        app /app/.npmrc = /app/.a
        app /app/node_modules/x/test/id_rsa file 0644 x
        app /app/own/id_rsa = /app/node_modules/x/test/id_rsa
        app /app/own/server = /app/node_modules/x/test/server
        """
        files = {"/app/.a": "//registry/:_authToken=abc", "/app/node_modules/x/test/server": KEY}
        assert found(tree, files=files) == [
            "secret /app/.a holds a token of a registry",
            "secret /app/own/id_rsa is called id_rsa",
            "secret /app/own/server holds a private key",
        ]

    def test_a_layer_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        exported = export(
            tmp_path / "export", "app /app/tls.pem file 0644 x\napp /id_rsa file 0644 x"
        )
        verdict = evaluate(exported.fragment, Policy(), Store(tmp_path / "none"))
        assert [finding.path for finding in verdict.findings] == ["/id_rsa"]
        assert verdict.unread == ("app",)
        assert not evaluate(
            exported.fragment, Policy(disabled=(Rule.SECRET,)), Store(tmp_path)
        ).unread

    @pytest.mark.parametrize(
        "text",
        [
            "a" * 10**6,
            f"{KEY.splitlines()[0]}\n" * 30_000,
            "\n" * 10**6,
            "secret" * 10**5,
            ":" * 10**6,
        ],
    )
    def test_no_text_takes_long(self, found: Judge, text: str) -> None:
        names = ("/.env", "/.npmrc", "/.pgpass", "/.netrc", "/pip.conf", "/.kube/config", "/x.key")
        assert found("app /x file 0644 x", files=dict.fromkeys(names, text)) == []


SHELL = """
app /app/main file 0755 x
system /usr dir 0755
system /usr/bin dir 0755
system /usr/bin/dash file 0755 shell
system /usr/bin/sh -> dash
"""


class TestAllowed:
    @pytest.mark.parametrize(
        "patterns",
        [["/usr/bin/dash", "/usr/bin/sh"], ["/usr/bin/*"], ["/usr/**"], ["**/dash", "**/sh"]],
    )
    def test_what_is_allowed_is_no_finding(
        self, judged: Callable[..., Verdict], patterns: list[str]
    ) -> None:
        assert judged(SHELL, allow={"shell": patterns}) == Verdict()
        assert judged(SHELL, said={"allow": {"shell": patterns}}) == Verdict()

    def test_a_link_is_allowed_for_itself(self, found: Judge) -> None:
        assert of(found(SHELL, allow={"shell": ["/usr/bin/dash"]})) == ["shell /usr/bin/sh"]

    def test_of_another_rule_it_is_allowed_nothing(self, judged: Callable[..., Verdict]) -> None:
        verdict = judged(SHELL, allow={"compiler": ["/usr/bin/*"]})
        assert len(verdict.findings) == 2
        assert verdict.stale == ("compiler: /usr/bin/*",)

    def test_a_path_may_be_said_as_a_program_says_it(self, judged: Callable[..., Verdict]) -> None:
        tree = SHELL + "system /bin -> usr/bin\n"
        assert judged(tree, allow={"shell": ["/bin/sh", "/bin/d*"]}) == Verdict()

    def test_what_fits_nothing_any_more_is_told_of_the_app_alone(
        self, judged: Callable[..., Verdict]
    ) -> None:
        said = {"allow": {"shell": ["/usr/bin/zsh"]}}
        verdict = judged(SHELL, said=said, allow={"shell": ["/usr/bin/*", "/bin/bash"]})
        assert verdict == Verdict(stale=("shell: /bin/bash",))

    def test_a_rule_that_is_disabled_finds_nothing(self, judged: Callable[..., Verdict]) -> None:
        verdict = judged(SHELL, said={"disabled": ["shell"]}, allow={"shell": ["/usr/bin/sh"]})
        assert verdict == Verdict()


class TestBudgets:
    @pytest.fixture
    def image(self, tmp_path: Path) -> Fragment:
        packages = [Package(name, "1", "amd64", name, "system") for name in ("a", "b")]
        exported = export(tmp_path, SHELL, owners={"/usr/bin/dash": "dash"}, packages=packages)
        return exported.fragment

    @pytest.mark.parametrize(
        ("budget", "used", "line"),
        [
            ("size", 20480, "20.5 kB, and 20.5 kB are allowed  dash 5 B, layer app 1 B"),
            ("packages", 2, "2, and 1 are allowed  system 2"),
            ("files", 3, "3, and 2 are allowed  system 2, app 1"),
        ],
    )  # fmt: skip
    def test_a_budget_is_what_may_be_used_up(
        self, tmp_path: Path, image: Fragment, budget: str, used: int, line: str
    ) -> None:
        """It counts as the table of a build does: layers by their archives."""
        store = Store(tmp_path / "store")

        def findings(limit: int) -> list[str]:
            policy = Policy.parse({budget: limit, "disabled": ["shell", "secret"]})
            return table(evaluate(image, policy, store).findings)

        assert findings(used) == []
        assert findings(used - 1) == [f"{budget}  (the image)  {line}"]


class TestMessage:
    def test_findings_are_a_table_with_what_brings_each(self, tmp_path: Path) -> None:
        exported = export(tmp_path / "other", SHELL, owners={"/usr/bin/dash": "dash"})
        edges = (
            Edge("shop", "/app/main", EdgeKind.DECLARED, "app"),
            Edge("/app/main", "/usr/bin/sh", EdgeKind.SHEBANG, "#!/bin/sh"),
            Edge("/usr/bin/sh", "/usr/bin/dash", EdgeKind.SYMLINK),
        )
        policy = Policy(disabled=(Rule.SECRET,))
        verdict = evaluate(replace(exported.fragment, edges=edges), policy, Store(tmp_path))
        assert table(verdict.findings) == [
            "shell  /usr/bin/dash  file 0755, 5 B, of package dash"
            "  by shop (app), for /usr/bin/sh (symlink)",
            "shell  /usr/bin/sh    leads to /usr/bin/dash; symlink"
            "  by shop (app), for /app/main (shebang)",
        ]
        verdict = evaluate(replace(exported.fragment, edges=()), policy, Store(tmp_path))
        assert {finding.brought for finding in verdict.findings} == {"nothing explains it"}

    def test_the_way_out_is_what_allows_it_and_what_was_allowed(
        self, judged: Callable[..., Verdict]
    ) -> None:
        said, allow = {"allow": {"shell": ["/bin/x"]}}, {"secret": ["/a b"], "shell": ["/y"]}
        verdict = judged(SHELL, said=said, allow=allow)
        text = way_out(verdict.findings, Policy.parse(said, allow), "shop", "sha256:1")
        assert text == """\
take out what brings them (rootfs-ansible why sha256:1 PATH tells the whole way), or
allow them in the inventory, such as host_vars/shop.yml, with the reason:
    rootfs_policy_allow: {shell: [/y, /usr/bin/dash, /usr/bin/sh], secret: ["/a b"]}
or for one build: -e '{"rootfs_policy_allow": {"shell": ["/y", "/usr/bin/dash", "/usr/bin/sh"], \
"secret": ["/a b"]}}'"""  # fmt: skip

    def test_the_way_out_is_one(self, judged: Callable[..., Verdict]) -> None:
        """What it says is what a user puts into an inventory."""
        verdict = judged(SHELL + "app /app/id_rsa file 0644 x")
        text = way_out(verdict.findings, Policy(), "shop", "sha256:1")
        line = next(line for line in text.splitlines() if "rootfs_policy_allow" in line)
        assert judged(SHELL, allow=yaml.safe_load(line)["rootfs_policy_allow"]).findings == ()
        assert ".dockerignore" in text

    def test_a_budget_has_another_way_out(self, judged: Callable[..., Verdict]) -> None:
        policy = Policy.parse({"files": 0, "disabled": ["shell"]})
        verdict = judged(SHELL, said={"files": 0, "disabled": ["shell"]})
        text = way_out(verdict.findings, policy, "shop", "sha256:1")
        assert text == "the budgets are size, packages, files of rootfs_policy."

    def test_many_findings_are_counted(self, judged: Callable[..., Verdict]) -> None:
        tree = "\n".join(f"app /app/data/{number:03} file 0666 x" for number in range(1000))
        verdict = judged(tree)
        lines = short_table(verdict.findings)
        assert len(lines) == 21
        assert lines[-1] == "world_writable  and 980 more"
        assert len(table(verdict.findings)) == 1000
        assert "{world_writable: [/app/data/**]}" in way_out(verdict.findings, Policy(), "x", "y")

    def test_the_way_out_of_many_allows_them_and_not_all(
        self, judged: Callable[..., Verdict]
    ) -> None:
        tree = "app /app/data dir 0777\napp /etc/x file 0666 x\n" + "\n".join(
            f"app /app/data/{number:03} file 0666 x" for number in range(30)
        )
        text = way_out(judged(tree).findings, Policy(), "x", "y")
        allow = {"world_writable": ["/app/data", "/app/data/**", "/etc/x"]}
        assert json.dumps({"rootfs_policy_allow": allow}) in text
        assert not judged(tree, allow=allow).findings


class TestFile:
    def test_a_policy_is_read_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "policy.yml"
        path.write_text("size: 1 MB\nallow: {shell: [/usr/bin/dash]}\n")
        policy = read_policy(path)
        assert policy.size == 1_000_000
        assert [item.shared for item in policy.allowed] == [False]
        path.write_text("")
        assert read_policy(path) == Policy()

    @pytest.mark.parametrize("text", ["size: [", "size: much", "- x", "\x00"])
    def test_what_is_none_says_where(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "policy.yml"
        path.write_text(text)
        with pytest.raises(InputError, match=r"policy\.yml|not as it must be") as raised:
            read_policy(path)
        assert "policy.yml" in str(raised.value)

    def test_a_file_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            read_policy(tmp_path / "gone.yml")
