from django.db import migrations, models

TOTALS_OF_ENDED_RUNS = """
UPDATE evals_app_run AS run SET cost = sums.cost, input_tokens = sums.read, output_tokens = sums.written
FROM (SELECT run_id, sum(cost) AS cost, sum(input_tokens) AS read, sum(output_tokens) AS written
      FROM evals_app_result GROUP BY run_id) AS sums
WHERE sums.run_id = run.id AND run.finished_at IS NOT NULL
"""
# Who stood in was not noted before, but it can be told from what was to be asked.
STOOD_IN = """
UPDATE evals_app_result AS result SET is_fallback = true FROM evals_app_run AS run
WHERE run.id = result.run_id AND result.provider_name <> '' AND result.provider_name <> CASE result.arm
    WHEN 'candidate' THEN run.candidate_settings::jsonb ->> 'provider'
    ELSE NULLIF(run.baseline_settings, '')::jsonb ->> 'provider' END
"""


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0003_mark_the_demo")]

    operations = [
        migrations.AddField("result", "is_cached", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("result", "is_fallback", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("run", "cost", models.DecimalField(decimal_places=8, max_digits=18, null=True)),
        migrations.AddField("run", "input_tokens", models.PositiveBigIntegerField(null=True)),
        migrations.AddField("run", "output_tokens", models.PositiveBigIntegerField(null=True)),
        migrations.RunSQL(TOTALS_OF_ENDED_RUNS, migrations.RunSQL.noop),
        migrations.RunSQL(STOOD_IN, migrations.RunSQL.noop),
    ]
