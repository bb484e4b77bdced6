$action = New-ScheduledTaskAction -Execute %{program} -Argument %{arguments}
$trigger = New-ScheduledTaskTrigger -Daily -At '%{time}' -RandomDelay (New-TimeSpan -Minutes %{delay})
$settings = New-ScheduledTaskSettingsSet -StartWhenAvailable -ExecutionTimeLimit (New-TimeSpan -Hours 2)
Register-ScheduledTask -TaskName %{name} -Action $action -Trigger $trigger -Settings $settings -Force
