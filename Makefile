# Every target is one call of bin/dev.py, which works without make too: python3 bin/dev.py help
export CHROMIUM PORT VAR DEMO OUTBOUND_ALLOW E2E SCHEDULES DATABASE_AWAY_S CASES SEQUENCES ROUNDS EXAMPLES OSV_URL DATABASE_URL DATABASE_OWNER_URL BROKER_URL

.PHONY: run test faults attack lint fmt types bench sbom licences help
help run test faults attack lint fmt types bench sbom licences:
	@python3 bin/dev.py $@ $(NAMED)

# `make bench delivery`, `make attack races`: what follows one of these is a part of it, no target of its own.
ifneq ($(filter bench attack faults,$(firstword $(MAKECMDGOALS))),)
NAMED := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
endif
ifneq ($(NAMED),)
.PHONY: $(NAMED)
$(NAMED): ; @:
endif
