from django.db import migrations, models


def money() -> models.DecimalField:
    return models.DecimalField(decimal_places=8, max_digits=18, default=0, db_default=0)


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0010_chunks_wait_in_order")]

    operations = [
        migrations.AddField("run", "budget_cost", models.DecimalField(decimal_places=8, max_digits=18, null=True)),
        migrations.AddField("run", "budget_requests", models.PositiveIntegerField(null=True)),
        migrations.AddField("run", "spent_cost", money()),
        migrations.AddField("run", "spent_requests", models.PositiveIntegerField(default=0, db_default=0)),
        migrations.AddField("runchunk", "held_cost", money()),
        migrations.AddField("runchunk", "held_requests", models.PositiveIntegerField(default=0, db_default=0)),
    ]
