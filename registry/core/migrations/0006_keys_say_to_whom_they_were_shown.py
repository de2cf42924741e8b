import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0005_people_have_passkeys'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='made_by',
            field=models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='core.member'),
        ),
    ]
