"""Django settings: one file for the laptop and for production; what differs comes from `registry.env`."""

from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.utils.csp import CSP

from registry.env import BASE_DIR, read_environment
from registry.logs import logging_config
from registry.mailing import mailer

ENV = read_environment()
PUBLIC = urlsplit(ENV.public_url)
IS_HTTPS = PUBLIC.scheme == "https"

DEBUG = False
SECRET_KEY = ENV.secret_key
ENCRYPTION_KEYS = ENV.encryption_keys
PUBLIC_URL = ENV.public_url
MANAGE_COMMAND = ENV.manage_command
REQUIRE_MFA = ENV.require_mfa
OIDC_ISSUER = ENV.oidc_issuer
OIDC_CLIENT_ID, OIDC_CLIENT_SECRET = ENV.oidc_client_id, ENV.oidc_client_secret
OIDC_NAME, OIDC_ROLE_CLAIM, OIDC_ROLES = ENV.oidc_name, ENV.oidc_role_claim, ENV.oidc_roles
OUTBOUND_ALLOW = ENV.outbound_allow
LOCAL_MODEL_URL = ENV.local_model_url
SCRIPTED_PROVIDER_URL = ENV.scripted_provider_url
IS_PRODUCTION = ENV.is_production
OTEL_ENDPOINT = ENV.otel_endpoint
# Loopback is always served: health checks come that way. Links are made from PUBLIC_URL, never from the Host header.
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# Over plain http nothing else is (`registry.core.checks` holds PUBLIC_URL to that).
ALLOWED_HOSTS = sorted({PUBLIC.hostname or "localhost", *(ENV.allowed_hosts if IS_HTTPS else ()), *LOOPBACK_HOSTS})
CSRF_TRUSTED_ORIGINS = [f"{PUBLIC.scheme}://{PUBLIC.netloc}"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "registry.apps.ProjectConfig",
    "registry.core",
    "prompts_app",
    "evals_app",
]

MIDDLEWARE = [
    "registry.core.middleware.RequestIdMiddleware",
    "registry.core.middleware.TracingMiddleware",
    "registry.core.middleware.RequestMetricsMiddleware",
    "registry.core.middleware.PlainHttpMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "registry.core.middleware.PageCompressionMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "registry.core.middleware.BodyLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "registry.core.middleware.SessionReadMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "registry.core.signing_in.SessionLimitMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "registry.core.middleware.RegistryErrorMiddleware",
    "registry.core.middleware.ConfirmationMiddleware",
]

ROOT_URLCONF = "registry.urls"
AUTH_USER_MODEL = "core.User"
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "registry.core.context.workspace",
                "prompts_app.context.navigation",
            ],
            "builtins": ["registry.core.templatetags.ui"],
        },
    }
]


def _database(url: str, **options: Any) -> dict[str, Any]:
    config: dict[str, Any] = dict(dj_database_url.parse(url))
    config["OPTIONS"] = {**config.get("OPTIONS", {}), **options}
    config["CONN_MAX_AGE"] = 0
    return config


DATABASES = {
    "default": _database(
        ENV.database_url,
        pool={"min_size": 1, "max_size": ENV.database_pool_size, "timeout": 10, "max_idle": 300},
    ),
    # Migrations and grants only: the role that owns the tables.
    "owner": {**_database(ENV.database_owner_url), "TEST": {"MIRROR": "default"}},
}
DATABASE_APP_ROLE = DATABASES["default"]["USER"]
DATABASE_HAS_TWO_ROLES = DATABASES["default"]["USER"] != DATABASES["owner"]["USER"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "name"]},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = ENV.data_dir / "static-built"
# Names with a content hash need `collectstatic`, which the container image and `make run` do; tests read the sources.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = not ENV.is_production
WHITENOISE_AUTOREFRESH = False

# Sessions live in the database: a Valkey that is lost signs nobody out.
SESSION_COOKIE_NAME = "__Host-session" if IS_HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "csrf"
BROWSER_COOKIE_NAME = "__Host-browser" if IS_HTTPS else "browser"
MESSAGE_COOKIE_NAME = "__Host-messages" if IS_HTTPS else "messages"
MESSAGE_STORAGE = "registry.core.message_storage.Messages"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_FAILURE_VIEW = "registry.core.views.errors.csrf_failure"

SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
# Whether a request came by TLS, and from where, is settled before Django sees it (`registry.core.proxies`).
TRUSTED_PROXIES = ENV.trusted_proxies

LARGEST_BODY = DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

# Sent by workers only; a mail server that does not answer holds a worker for so many seconds at most.
MAILERS = {"default": mailer(ENV.email_url, timeout=20)}
DEFAULT_FROM_EMAIL = ENV.email_from or f"Greenroom <greenroom@{PUBLIC.hostname}>"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["registry.core.api.authentication.RegistryAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["registry.core.api.authentication.HasActor"],
    "DEFAULT_PARSER_CLASSES": ["registry.core.api.parsing.StrictJsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["registry.core.api.parsing.JsonTextRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "registry.core.api.parsing.OnlyJson",
    "DEFAULT_THROTTLE_CLASSES": ["registry.core.api.throttling.ActorThrottle"],
    "EXCEPTION_HANDLER": "registry.core.api.problems.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "registry.core.api.openapi.RegistrySchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Greenroom",
    "DESCRIPTION": "A prompt registry: versions, checks, promotions, rollback and delivery.",
    "SERVERS": [{"url": PUBLIC_URL}],
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["registry.core.api.openapi.add_events"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PATH_CONVERTER_OVERRIDES": {"prompt": {"type": "string", "minLength": 1, "maxLength": 255}},
}
API_REQUESTS_PER_MINUTE = ENV.api_requests_per_minute
WEB_THREADS = ENV.web_threads
TRY_DAILY_BUDGET = ENV.try_daily_budget
METRICS_TOKEN = ENV.metrics_token
# Counted, and held, by each process in its own memory.
DELIVERY_REQUESTS_PER_MINUTE = ENV.delivery_requests_per_minute
DELIVERY_MEMORY_MB = ENV.delivery_memory_mb
DELIVERY_PRIORITY = ENV.delivery_priority

CELERY_BROKER_URL = ENV.broker_url
VALKEY_URL = ENV.broker_url.replace("redis+socket://", "unix://")
SWEEP_INTERVAL_S = ENV.sweep_interval_s
WORKER_NICENESS = ENV.worker_niceness
FAILPOINT = ENV.failpoint
DATA_DIR = ENV.data_dir
AUDIT_CHECKPOINT_DIR = ENV.audit_checkpoint_dir

LOGGING_CONFIG = None
logging_config(level=ENV.log_level, fmt=ENV.log_format)
