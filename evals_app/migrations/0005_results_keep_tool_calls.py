from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('evals_app', '0004_results_say_where_from_and_runs_what_they_cost'),
    ]

    operations = [
        migrations.AddField(
            model_name='result',
            name='tool_calls',
            field=models.TextField(default='[]'),
        ),
    ]
