"""What the operator sets: every environment variable in one table, read once.

`docs/configuration.md` lists the same names; a test holds the two together.
"""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from environs import Env

ROLES = ("viewer", "editor", "reviewer", "releaser", "admin", "owner")
BASE_DIR = Path(__file__).resolve().parent.parent
# Where a proxy stands that shares a machine or a private network with this server.
PRIVATE_NETWORKS = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")

VARIABLES: dict[str, str] = {
    "GREENROOM_ENV": "`production` (default) or `development`; development relaxes what only a laptop may relax.",
    "SECRET_KEY": "Signs sessions and tokens. Required; at least 50 characters in production.",
    "ENCRYPTION_KEYS": "Comma-separated Fernet keys for secrets of providers and webhooks; the first encrypts, all decrypt.",
    "DATABASE_URL": "PostgreSQL, as the role that runs the application (no UPDATE or DELETE on append-only tables).",
    "DATABASE_OWNER_URL": "PostgreSQL, as the role that owns the tables and migrates. Left out: the same as DATABASE_URL.",
    "DATABASE_POOL_SIZE": "Connections each process may hold. Default 8.",
    "METRICS_TOKEN": "Bearer token for `/metrics`. Left out: only this machine itself may read them.",
    "WEB_THREADS": "Requests of pages and the control API that each web process works on at once. Default 8.",
    "WORKER_NICENESS": "By how much background workers give way to web processes on the same processors, 0 to 19. Default 10.",
    "DELIVERY_PRIORITY": "By how much `serve_delivery` comes before other processes on the same processors, 0 to 20, where the system lets it (root or CAP_SYS_NICE). Default 15.",
    "API_REQUESTS_PER_MINUTE": "Requests to the control API that one key or person may send in a minute, and as many forms of pages. Default 1200.",
    "DELIVERY_MEMORY_MB": "Memory that each process may use to hold what services fetch. Default 256.",
    "DELIVERY_REQUESTS_PER_MINUTE": "Fetches each process answers to one key in a minute. Default 60000.",
    "TRY_DAILY_BUDGET": "US dollars that the people of one workspace may spend on trying prompts in a day (UTC), as far as prices are known. Default 20.",
    "BROKER_URL": "Valkey or Redis for Celery, limits and rate counters.",
    "REQUIRE_MFA": "`1` asks a second factor of reviewers and above in every workspace, whatever it has chosen. Default 0.",
    "OIDC_ISSUER": "The organisation's OpenID Connect server, such as `https://login.example.com`; left out, there is no single sign-on. Private addresses need OUTBOUND_ALLOW.",
    "OIDC_CLIENT_ID": "The client that was registered there, with the redirect address `PUBLIC_URL/sign-in/sso/back`.",
    "OIDC_CLIENT_SECRET": "Its secret.",
    "OIDC_NAME": "What the button says. Default `Single sign-on`.",
    "OIDC_ROLE_CLAIM": "The claim of the ID token that lists somebody's groups. Default `groups`.",
    "OIDC_ROLES": "Comma-separated `workspace:group=role`: who is in the group has the role in the workspace, who is in none of a named workspace loses it at the next sign-in.",
    "PUBLIC_URL": "Where people reach this server; links in notifications start with it, and passkeys are bound to its host, which must be a name.",
    "ALLOWED_HOSTS": "Comma-separated host names served besides the one of PUBLIC_URL.",
    "TLS_TERMINATED_BY_PROXY": "`1` where a proxy ends TLS and sets X-Forwarded-Proto. Default 0.",
    "TRUSTED_PROXIES": "Comma-separated addresses or networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. Default with TLS_TERMINATED_BY_PROXY: this machine and private networks; otherwise nobody's are.",
    "OUTBOUND_ALLOW": "Comma-separated host:port pairs on private addresses that providers and webhooks may use.",
    "LOCAL_MODEL_URL": "Base URL of the small local model; the demo's provider. Set by `make run`.",
    "SCRIPTED_PROVIDER_URL": "Base URL of the scripted provider that answers in the demo where there is no local model.",
    "DATA_DIR": "Folder for files the server writes itself (beat schedule, collected assets). Default `var`.",
    "AUDIT_CHECKPOINT_DIR": "Folder for signed checkpoints of the audit chains, one a day; best on another machine's disk. Default `checkpoints` in DATA_DIR.",
    "MANAGE_COMMAND": "How management commands are called here, for pages that name one. Default `python manage.py`; set by `make run`.",
    "EMAIL_URL": "Where e-mail goes: `consolemail://` (default) into the worker's log, `smtp://user:password@host:587` with STARTTLS (plain without a user), `smtps://…:465` with TLS.",
    "EMAIL_FROM": "The sender of e-mail. Default `greenroom@` and the host of PUBLIC_URL.",
    "LOG_LEVEL": "Default INFO.",
    "LOG_FORMAT": "`json` (default in production) or `console`.",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Where traces go, as OTLP over HTTP, such as `http://collector:4318`; needs the extra `otel`. Left out: nowhere.",
    "SWEEP_INTERVAL_S": "Seconds between two sweeps for lost work. Default 5.",
    "FAILPOINT": "For fault tests: where a process ends itself (`before_commit`, `after_commit`). Refused in production.",
}


@dataclass(frozen=True)
class Environment:
    """The operator's choices, parsed."""

    is_production: bool
    secret_key: str
    encryption_keys: tuple[str, ...]
    database_url: str
    database_owner_url: str
    database_pool_size: int
    web_threads: int
    worker_niceness: int
    delivery_priority: int
    metrics_token: str
    api_requests_per_minute: int
    delivery_memory_mb: int
    delivery_requests_per_minute: int
    try_daily_budget: float
    broker_url: str
    public_url: str
    require_mfa: bool
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str
    oidc_name: str
    oidc_role_claim: str
    oidc_roles: tuple[tuple[str, str, str], ...]
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    outbound_allow: frozenset[str]
    local_model_url: str
    scripted_provider_url: str
    data_dir: Path
    audit_checkpoint_dir: Path
    manage_command: str
    email_url: str
    email_from: str
    log_level: str
    log_format: str
    otel_endpoint: str
    sweep_interval_s: float
    failpoint: str


def read_environment() -> Environment:
    """Parse the process's environment; raises environs.EnvError naming the variable that is missing or malformed."""
    env = Env()
    mode = env.str("GREENROOM_ENV", "production")
    if mode not in {"production", "development"}:
        raise ValueError(f"GREENROOM_ENV is {mode!r}: use `production` or `development`")
    is_production = mode == "production"
    database_url = env.str("DATABASE_URL")
    role_rules: list[str] = env.list("OIDC_ROLES", [])
    data_dir = Path(env.str("DATA_DIR", str(BASE_DIR / "var")))
    return Environment(
        is_production=is_production,
        secret_key=env.str("SECRET_KEY"),
        encryption_keys=tuple(env.list("ENCRYPTION_KEYS", [])),
        database_url=database_url,
        database_owner_url=env.str("DATABASE_OWNER_URL", "") or database_url,
        database_pool_size=env.int("DATABASE_POOL_SIZE", 8),
        metrics_token=env.str("METRICS_TOKEN", ""),
        web_threads=env.int("WEB_THREADS", 8),
        worker_niceness=env.int("WORKER_NICENESS", 10),
        delivery_priority=env.int("DELIVERY_PRIORITY", 15),
        api_requests_per_minute=env.int("API_REQUESTS_PER_MINUTE", 1200),
        delivery_memory_mb=env.int("DELIVERY_MEMORY_MB", 256),
        delivery_requests_per_minute=env.int("DELIVERY_REQUESTS_PER_MINUTE", 60_000),
        try_daily_budget=env.float("TRY_DAILY_BUDGET", 20.0),
        broker_url=env.str("BROKER_URL"),
        public_url=env.str("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/"),
        require_mfa=env.bool("REQUIRE_MFA", default=False),
        oidc_issuer=env.str("OIDC_ISSUER", ""),
        oidc_client_id=env.str("OIDC_CLIENT_ID", ""),
        oidc_client_secret=env.str("OIDC_CLIENT_SECRET", ""),
        oidc_name=env.str("OIDC_NAME", "Single sign-on"),
        oidc_role_claim=env.str("OIDC_ROLE_CLAIM", "groups"),
        oidc_roles=tuple(_role_rule(text) for text in role_rules),
        allowed_hosts=_listed(env, "ALLOWED_HOSTS"),
        trusted_proxies=_proxies(env),
        outbound_allow=frozenset(map(_destination, _listed(env, "OUTBOUND_ALLOW"))),
        local_model_url=env.str("LOCAL_MODEL_URL", ""),
        scripted_provider_url=env.str("SCRIPTED_PROVIDER_URL", ""),
        data_dir=data_dir,
        audit_checkpoint_dir=Path(env.str("AUDIT_CHECKPOINT_DIR", "") or data_dir / "checkpoints"),
        manage_command=env.str("MANAGE_COMMAND", "") or "python manage.py",
        email_url=env.str("EMAIL_URL", "consolemail://"),
        email_from=env.str("EMAIL_FROM", ""),
        log_level=env.str("LOG_LEVEL", "INFO"),
        log_format=env.str("LOG_FORMAT", "json" if is_production else "console"),
        otel_endpoint=env.str("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        sweep_interval_s=env.float("SWEEP_INTERVAL_S", 5.0),
        failpoint=env.str("FAILPOINT", ""),
    )


def _proxies(env: Env) -> tuple[str, ...]:
    """Networks as written; raises ValueError for what is none."""
    near = PRIVATE_NETWORKS if env.bool("TLS_TERMINATED_BY_PROXY", default=False) else ()
    networks = _listed(env, "TRUSTED_PROXIES") or near
    for network in networks:
        ipaddress.ip_network(network)
    return networks


def _listed(env: Env, name: str) -> tuple[str, ...]:
    """What is written between commas, without blanks around it."""
    written: list[str] = env.list(name, [])
    return tuple(text.strip() for text in written if text.strip())


def _destination(text: str) -> str:
    """`host:port` as destinations are compared; raises ValueError for what could never be one."""
    if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):[0-9]{1,5}", text):
        raise ValueError(f"OUTBOUND_ALLOW has {text!r}: write host:port, such as ollama:11434 or [fd00::1]:8000")
    return text.lower()


def _role_rule(text: str) -> tuple[str, str, str]:
    """`workspace:group=role` taken apart; a group may hold `:` and `=` itself."""
    left, _, role = text.strip().rpartition("=")
    workspace, _, group = left.partition(":")
    if not workspace or not group or role not in ROLES:
        raise ValueError(f"OIDC_ROLES has {text!r}: write workspace:group=role, with a role of {', '.join(ROLES)}")
    return workspace, group, role
