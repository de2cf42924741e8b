from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts_app.policy import DEFAULTS, OPEN, Policy, parse_policy, stricter
from registry.core.errors import Invalid

policies = st.builds(
    lambda auto, protected, suites, soak, checks, **rest: Policy(
        auto_apply=auto and not protected,
        protected=protected,
        require_predecessor=soak is not None,
        soak_minutes=soak or 0,
        external_checks=tuple(sorted(f"external/{name}" for name in checks)),
        require_suites=suites,
        **rest,
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(0, 500),
    st.sets(st.sampled_from(["lint", "legal", "cost"])),
    approvals=st.integers(0, 20),
    min_suites=st.integers(0, 100),
    max_age_days=st.integers(1, 3650),
    allow_override=st.booleans(),
)


@given(policies, policies, policies)
def test_stricter__any_policies__commutes_associates_and_is_idempotent(a: Policy, b: Policy, c: Policy):
    assert stricter(a, b) == stricter(b, a)
    assert stricter(stricter(a, b), c) == stricter(a, stricter(b, c))
    assert stricter(a, a) == a
    assert stricter(a, stricter(a, b)) == stricter(a, b)


@given(policies, policies)
def test_stricter__any_policies__each_field_asks_at_least_what_both_ask(a: Policy, b: Policy):
    both = stricter(a, b)
    for one in (a, b):
        assert both.protected >= one.protected
        assert both.auto_apply <= one.auto_apply
        assert both.allow_override <= one.allow_override
        assert both.max_age_days <= one.max_age_days
        assert set(both.external_checks) >= set(one.external_checks)
        for name in ("approvals", "soak_minutes", "min_suites", "require_suites", "require_predecessor"):
            assert getattr(both, name) >= getattr(one, name)


@given(policies, policies)
def test_stricter__valid_policies__gives_one_that_parses(a: Policy, b: Policy):
    both = stricter(a, b)
    assert parse_policy(both.to_json()) == both


@given(policies, policies)
def test_parse__a_whole_policy__replaces_every_field_of_the_base(a: Policy, base: Policy):
    assert parse_policy(a.to_json(), base) == a
    assert parse_policy({}, base) == base


def test_defaults__three_environments__as_the_table_says():
    assert DEFAULTS["development"] == Policy(auto_apply=True)
    assert DEFAULTS["staging"] == Policy(require_predecessor=True, require_suites=True)
    production = DEFAULTS["production"]
    assert (production.protected, production.approvals, production.min_suites) == (True, 1, 1)
    assert all(policy.max_age_days == 14 and policy.allow_override for policy in DEFAULTS.values())


def test_open__by_default__asks_nothing_and_applies_nothing_by_itself():
    asked = [OPEN.protected, OPEN.approvals, OPEN.require_predecessor, OPEN.require_suites, OPEN.min_suites]
    assert not any([*asked, OPEN.external_checks, OPEN.auto_apply])


def test_to_json__any__has_every_field_in_order():
    assert list(OPEN.to_json()) == [field.name for field in fields(Policy)]


def test_parse__auto_apply_on_a_protected_environment__is_refused():
    with pytest.raises(Invalid) as refused:
        parse_policy({"auto_apply": True}, DEFAULTS["production"])
    assert [error.field for error in refused.value.errors] == ["policy.auto_apply"]


def test_parse__soak_without_predecessor__is_refused():
    with pytest.raises(Invalid) as refused:
        parse_policy({"soak_minutes": 5}, OPEN)
    assert [error.field for error in refused.value.errors] == ["policy.soak_minutes"]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"approvals": True}, "policy.approvals"),
        ({"approvals": -1}, "policy.approvals"),
        ({"approvals": 1.0}, "policy.approvals"),
        ({"protected": 1}, "policy.protected"),
        ({"protected": None}, "policy.protected"),
        ({"max_age_days": 0}, "policy.max_age_days"),
        ({"quorum": 2}, "policy.quorum"),
        ({"external_checks": "lint"}, "policy.external_checks"),
        ({"external_checks": ["lint", 3]}, "policy.external_checks[1]"),
        ({"external_checks": ["suite/intents"]}, "policy.external_checks[0]"),
        ([], "policy"),
    ],
)
def test_parse__a_wrong_field__is_named(value, field):
    with pytest.raises(Invalid) as refused:
        parse_policy(value)
    assert [error.field for error in refused.value.errors] == [field]


def test_parse__outside_checks__are_full_names_sorted_and_unique():
    policy = parse_policy({"external_checks": ["lint", "external/legal", "external/lint"]})
    assert policy.external_checks == ("external/legal", "external/lint")
