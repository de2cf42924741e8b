from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('prompts_app', '0010_imports_may_be_tables'),
    ]

    operations = [
        migrations.AddField(
            model_name='promotion',
            name='turns',
            field=models.TextField(db_default='[]', default='[]'),
        ),
    ]
