from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0025_judges_can_be_tried")]

    operations = [
        migrations.AddField(
            "Result", "finish_reason", models.CharField(blank=True, db_default="", default="", max_length=40)
        ),
        migrations.AddField("Result", "perplexity", models.FloatField(null=True)),
    ]
