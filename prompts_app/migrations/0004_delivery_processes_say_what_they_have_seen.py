import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("prompts_app", "0003_who_drops_a_required_check_is_noted")]

    operations = [
        migrations.CreateModel(
            name="DeliveryProcess",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("heartbeat_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"indexes": [models.Index(fields=["heartbeat_at"], name="delivery_process_alive")]},
        ),
        migrations.CreateModel(
            name="DeliverySeen",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("revision", models.PositiveBigIntegerField()),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.DO_NOTHING, related_name="+", to="prompts_app.environment"
                    ),
                ),
                (
                    "process",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="seen",
                        to="prompts_app.deliveryprocess",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("process", "environment"), name="delivery_seen_once")]
            },
        ),
    ]
