from django.db import migrations, models


def money() -> models.DecimalField:
    return models.DecimalField(decimal_places=8, max_digits=18, null=True)


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0015_what_judges_say_is_kept")]

    operations = [
        migrations.AddField("armtally", "cached", models.PositiveIntegerField(null=True)),
        migrations.AddField("armtally", "cost", money()),
        migrations.AddField("armtally", "input_tokens", models.PositiveBigIntegerField(null=True)),
        migrations.AddField("armtally", "output_tokens", models.PositiveBigIntegerField(null=True)),
        migrations.AddField("armtally", "judge_cost", money()),
        migrations.AddField("armtally", "latency_median", models.FloatField(null=True)),
        migrations.AddField("armtally", "latency_p90", models.FloatField(null=True)),
    ]
