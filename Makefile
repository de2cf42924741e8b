# Every target is one call of bin/dev.py, which works without make too: python3 bin/dev.py help
export CHROMIUM PORT VAR DEMO OUTBOUND_ALLOW E2E SCHEDULES DATABASE_AWAY_S CASES SEQUENCES ROUNDS EXAMPLES OSV_URL DATABASE_URL DATABASE_OWNER_URL BROKER_URL

.PHONY: run test faults attack lint fmt types bench sbom licences help
help run test faults attack lint fmt types bench sbom licences:
	@python3 bin/dev.py $@
