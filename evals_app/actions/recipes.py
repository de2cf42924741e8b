"""What a suite's evidence depends on besides the two versions compared: kept as the check's recipe, for the gate to see."""

from evals_app.judge_queries import providers_without_model
from evals_app.models import Provider, Suite, SuiteVersion
from evals_app.suite_content import recipe_digest
from prompts_app.actions.checks import define_check
from registry.core.actor import Actor
from registry.core.canonical import JSON


def redefine_checks(actor: Actor) -> None:
    """Write every suite's recipe again after the default provider, or what a provider is asked by, has changed."""
    for suite in Suite.objects.in_workspace(actor.workspace_id):
        if suite.last_number:
            define_suite_check(actor, suite, newest_of(suite), changed_by_person=False)


def define_suite_check(actor: Actor, suite: Suite, version: SuiteVersion, *, changed_by_person: bool) -> None:
    """Tell the gate what counts as fresh evidence of this suite from now on."""
    default = Provider.objects.in_workspace(suite.workspace_id).filter(is_default=True).first()
    define_check(
        actor,
        suite.check_name,
        title=suite.title,
        recipe=recipe_of(version, default),
        is_safety=suite.is_safety,
        changed_by_person=changed_by_person,
    )


def recipe_of(version: SuiteVersion, default: Provider | None) -> str:
    """Digest of suite and version, scorers' versions and what is asked where neither suite nor prompt names a model.

    A provider that the suite, one of its judges or a version names without a model is asked by its first one: that counts too.
    """
    content = version.load()
    asked: JSON = [default.name, default.base_url, default.default_model] if default else None
    if names := providers_without_model(version, content):
        rows = Provider.objects.in_workspace(version.suite.workspace_id).filter(name__in=names).order_by("name")
        named: list[JSON] = [[row.name, row.base_url, row.default_model] for row in rows]
        asked = {"default": asked, "named": named}
    return recipe_digest(version.suite.slug, content, default=asked)


def newest_of(suite: Suite) -> SuiteVersion:
    """The suite's newest version; it must have one."""
    return SuiteVersion.objects.filter(suite=suite).select_related("suite").order_by("-number")[0]
