from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evals_app", "0006_people_label_results_and_judges_are_kept")]

    operations = [
        migrations.AddField("provider", "streams", models.BooleanField(default=False, db_default=False)),
    ]
