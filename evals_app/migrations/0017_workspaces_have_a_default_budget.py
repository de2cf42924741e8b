import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0001_the_core_tables"), ("evals_app", "0016_sums_of_ended_runs_are_kept")]

    operations = [
        migrations.CreateModel(
            "DefaultBudget",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cost", models.DecimalField(decimal_places=8, max_digits=18, null=True)),
                ("requests", models.PositiveIntegerField(null=True)),
                (
                    "workspace",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="default_budget", to="core.workspace"
                    ),
                ),
            ],
        ),
        migrations.AddField("run", "is_default_budget", models.BooleanField(db_default=False, default=False)),
    ]
