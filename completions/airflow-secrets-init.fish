# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_airflow_secrets_init_global_optspecs
    string join \n backend-kwargs= conn-ids= variable-keys= config-keys= include= exclude= required= team= templates= on-empty-account= deadline= jitter= index= index-kms-key= index-readers= refresh-max-stale= template= h/help help-all airflow-version= expand-env= fetch= file-mode= log= log-format= on-denied= on-empty= on-invalid= on-missing= on-shared= output= refresh= sandbox= store= strict= concurrency= airflow-env-file= backend-module-file= configs-file= connections-file= status-file= termination-log= variables-file= V/version
end

function __fish_airflow_secrets_init_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    string match -qr -- '^--[^=]+$' "$cmd[-1]"; and set -e cmd[-1]
    argparse -s (__fish_airflow_secrets_init_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_airflow_secrets_init_using_subcommand
    set -l cmd (__fish_airflow_secrets_init_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l backend-kwargs -d 'The backend_kwargs: a JSON object, or @PATH of a file with one [default: Airflow\'s own variables]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l conn-ids -d 'Take exactly these conn_ids, by name, without listing (comma or newline separated)' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l variable-keys -d 'Take exactly these variables, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l config-keys -d 'Take exactly these config keys, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l include -d 'Globs: of the listed conn_ids take only these' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l exclude -d 'Globs: of the listed conn_ids leave these out' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l required -d 'conn_ids that must end up in the file; asked for by name where a listing misses them' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l team -d 'The team of a multi-team Airflow that the files are for: TEAM--ID becomes ID and beats it, other teams\' secrets stay out [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l templates -d 'Templates of your own and their targets: SRC=DEST, one a line [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l on-empty-account -d 'One account has nothing under its prefix while another has: error, warn or ignore [default: warn]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l deadline -d 'How long the whole run may take, such as 60s or 2m [default: 60s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l jitter -d 'Longest random wait at the start, such as 5s [default: 0s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l index -d 'The secret that publish-index writes: name or ARN [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l index-kms-key -d 'ARN of the KMS key that publish-index --create makes it under [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l index-readers -d 'Who may read it: accounts, and ids of organisations (comma or newline separated) [default: nobody else]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l refresh-max-stale -d 'Drop what could not be confirmed for so long, such as 4h [default: keep the last good value]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l template -d 'One template and its target, repeatable: the same as a line of --templates' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l airflow-version -d 'Which Airflow reads the file: 2, 3 or an exact version such as 3.1.7 [default: 3]' -r -f -a "2\t''
3\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l expand-env -d 'Replace $NAME and ${NAME} in backend_kwargs from the environment, as Airflow does: true or false [default: true]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l fetch -d 'How values are read: auto, batch or single [default: auto]' -r -f -a "auto\t''
batch\t''
single\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l file-mode -d 'Mode of the files, octal, set before the first byte [default: 0440]' -r -f -a "0400\t''
0440\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l log -d 'error, warn, info, debug or trace [default: info]' -r -f -a "error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l log-format -d 'text or json [default: text on a terminal, json elsewhere]' -r -f -a "text\t''
json\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l on-denied -d 'A secret that may not be read: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l on-empty -d 'Nothing at all was found: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l on-invalid -d 'A listed secret that is malformed: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l on-missing -d 'An id asked for by name that no source has: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l on-shared -d 'A shared account that can\'t be read as a whole: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l output -d 'The form of what check, diff, iam and publish-index print: text or json, and of iam alone terraform [default: text; of iam json]' -r -f -a "text\t''
json\t''
terraform\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l refresh -d 'Keep running and read again at this interval, such as 5m: from 30s to 24h [default: render once]' -r -f -a "5m\t''
15m\t''
1h\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l sandbox -d 'Give up, by Landlock, all writing but that of the files, and running programs: auto (as far as the kernel can) or off [default: auto]' -r -f -a "auto\t''
off\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l store -d 'Where secrets come from: aws or file:PATH [default: aws]' -r -f -a "aws\t''
file:\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l strict -d 'Every policy becomes error: true or false [default: false]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l concurrency -d 'Requests in flight to one account at a time, 1 to 64 [default: 40]' -r -f -a "1\t''
40\t''
64\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l airflow-env-file -d 'Where to write AIRFLOW_CONN_*, AIRFLOW_VAR_* and AIRFLOW__* lines: .env for compose and shells, .list for --env-file [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l backend-module-file -d 'Where to write a Python module with a secrets backend that builds only the connection asked for [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l configs-file -d 'Where to write config values, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l connections-file -d 'Where to write connections: .json, .yaml, .yml or .env, or none for no such file [default: /opt/airflow/secrets/connections.json]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l status-file -d 'Where to say how the refresh is doing, for the command status [default: refresh-status.json beside the connections file]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l termination-log -d 'Where the reason of a failure is written [default: /dev/termination-log, if it is there]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l variables-file -d 'Where to write variables, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -s h -l help -d 'The flags that most runs need; of a command, its own'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -l help-all -d 'Every flag with its default'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -s V -l version -d 'Print version'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -f -a "render" -d 'Resolve everything, write the files, exit (the default)'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -f -a "check" -d 'Resolve and render everything, write nothing, and say what was found: who wins, what is wrong, what is left out'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -f -a "diff" -d 'Say what a render would change in the files that are there. Exit code 0: nothing; 1: something'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -f -a "iam" -d 'Say which AWS policies these settings need, and no more: for roles, secrets, keys and VPC endpoints. Makes no call'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -f -a "publish-index" -d 'Write which connections this account holds into one secret, the index that other accounts name in shared_index. Reads no value'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_needs_command" -f -a "status" -d 'Say how the refresh is doing, from its status file, for probes. Exit code 0: its last success is recent, whatever it left out; 1: too old; 66: there is no status file yet'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l backend-kwargs -d 'The backend_kwargs: a JSON object, or @PATH of a file with one [default: Airflow\'s own variables]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l conn-ids -d 'Take exactly these conn_ids, by name, without listing (comma or newline separated)' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l variable-keys -d 'Take exactly these variables, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l config-keys -d 'Take exactly these config keys, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l include -d 'Globs: of the listed conn_ids take only these' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l exclude -d 'Globs: of the listed conn_ids leave these out' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l required -d 'conn_ids that must end up in the file; asked for by name where a listing misses them' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l team -d 'The team of a multi-team Airflow that the files are for: TEAM--ID becomes ID and beats it, other teams\' secrets stay out [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l templates -d 'Templates of your own and their targets: SRC=DEST, one a line [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l on-empty-account -d 'One account has nothing under its prefix while another has: error, warn or ignore [default: warn]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l deadline -d 'How long the whole run may take, such as 60s or 2m [default: 60s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l jitter -d 'Longest random wait at the start, such as 5s [default: 0s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l index -d 'The secret that publish-index writes: name or ARN [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l index-kms-key -d 'ARN of the KMS key that publish-index --create makes it under [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l index-readers -d 'Who may read it: accounts, and ids of organisations (comma or newline separated) [default: nobody else]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l refresh-max-stale -d 'Drop what could not be confirmed for so long, such as 4h [default: keep the last good value]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l template -d 'One template and its target, repeatable: the same as a line of --templates' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l airflow-version -d 'Which Airflow reads the file: 2, 3 or an exact version such as 3.1.7 [default: 3]' -r -f -a "2\t''
3\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l expand-env -d 'Replace $NAME and ${NAME} in backend_kwargs from the environment, as Airflow does: true or false [default: true]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l fetch -d 'How values are read: auto, batch or single [default: auto]' -r -f -a "auto\t''
batch\t''
single\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l file-mode -d 'Mode of the files, octal, set before the first byte [default: 0440]' -r -f -a "0400\t''
0440\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l log -d 'error, warn, info, debug or trace [default: info]' -r -f -a "error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l log-format -d 'text or json [default: text on a terminal, json elsewhere]' -r -f -a "text\t''
json\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l on-denied -d 'A secret that may not be read: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l on-empty -d 'Nothing at all was found: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l on-invalid -d 'A listed secret that is malformed: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l on-missing -d 'An id asked for by name that no source has: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l on-shared -d 'A shared account that can\'t be read as a whole: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l output -d 'The form of what check, diff, iam and publish-index print: text or json, and of iam alone terraform [default: text; of iam json]' -r -f -a "text\t''
json\t''
terraform\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l refresh -d 'Keep running and read again at this interval, such as 5m: from 30s to 24h [default: render once]' -r -f -a "5m\t''
15m\t''
1h\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l sandbox -d 'Give up, by Landlock, all writing but that of the files, and running programs: auto (as far as the kernel can) or off [default: auto]' -r -f -a "auto\t''
off\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l store -d 'Where secrets come from: aws or file:PATH [default: aws]' -r -f -a "aws\t''
file:\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l strict -d 'Every policy becomes error: true or false [default: false]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l concurrency -d 'Requests in flight to one account at a time, 1 to 64 [default: 40]' -r -f -a "1\t''
40\t''
64\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l airflow-env-file -d 'Where to write AIRFLOW_CONN_*, AIRFLOW_VAR_* and AIRFLOW__* lines: .env for compose and shells, .list for --env-file [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l backend-module-file -d 'Where to write a Python module with a secrets backend that builds only the connection asked for [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l configs-file -d 'Where to write config values, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l connections-file -d 'Where to write connections: .json, .yaml, .yml or .env, or none for no such file [default: /opt/airflow/secrets/connections.json]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l status-file -d 'Where to say how the refresh is doing, for the command status [default: refresh-status.json beside the connections file]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l termination-log -d 'Where the reason of a failure is written [default: /dev/termination-log, if it is there]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l variables-file -d 'Where to write variables, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -s h -l help -d 'The flags that most runs need; of a command, its own'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand render" -l help-all -d 'Every flag with its default'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l backend-kwargs -d 'The backend_kwargs: a JSON object, or @PATH of a file with one [default: Airflow\'s own variables]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l conn-ids -d 'Take exactly these conn_ids, by name, without listing (comma or newline separated)' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l variable-keys -d 'Take exactly these variables, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l config-keys -d 'Take exactly these config keys, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l include -d 'Globs: of the listed conn_ids take only these' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l exclude -d 'Globs: of the listed conn_ids leave these out' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l required -d 'conn_ids that must end up in the file; asked for by name where a listing misses them' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l team -d 'The team of a multi-team Airflow that the files are for: TEAM--ID becomes ID and beats it, other teams\' secrets stay out [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l templates -d 'Templates of your own and their targets: SRC=DEST, one a line [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l on-empty-account -d 'One account has nothing under its prefix while another has: error, warn or ignore [default: warn]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l deadline -d 'How long the whole run may take, such as 60s or 2m [default: 60s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l jitter -d 'Longest random wait at the start, such as 5s [default: 0s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l index -d 'The secret that publish-index writes: name or ARN [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l index-kms-key -d 'ARN of the KMS key that publish-index --create makes it under [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l index-readers -d 'Who may read it: accounts, and ids of organisations (comma or newline separated) [default: nobody else]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l refresh-max-stale -d 'Drop what could not be confirmed for so long, such as 4h [default: keep the last good value]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l template -d 'One template and its target, repeatable: the same as a line of --templates' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l airflow-version -d 'Which Airflow reads the file: 2, 3 or an exact version such as 3.1.7 [default: 3]' -r -f -a "2\t''
3\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l expand-env -d 'Replace $NAME and ${NAME} in backend_kwargs from the environment, as Airflow does: true or false [default: true]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l fetch -d 'How values are read: auto, batch or single [default: auto]' -r -f -a "auto\t''
batch\t''
single\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l file-mode -d 'Mode of the files, octal, set before the first byte [default: 0440]' -r -f -a "0400\t''
0440\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l log -d 'error, warn, info, debug or trace [default: info]' -r -f -a "error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l log-format -d 'text or json [default: text on a terminal, json elsewhere]' -r -f -a "text\t''
json\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l on-denied -d 'A secret that may not be read: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l on-empty -d 'Nothing at all was found: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l on-invalid -d 'A listed secret that is malformed: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l on-missing -d 'An id asked for by name that no source has: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l on-shared -d 'A shared account that can\'t be read as a whole: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l output -d 'The form of what check, diff, iam and publish-index print: text or json, and of iam alone terraform [default: text; of iam json]' -r -f -a "text\t''
json\t''
terraform\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l refresh -d 'Keep running and read again at this interval, such as 5m: from 30s to 24h [default: render once]' -r -f -a "5m\t''
15m\t''
1h\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l sandbox -d 'Give up, by Landlock, all writing but that of the files, and running programs: auto (as far as the kernel can) or off [default: auto]' -r -f -a "auto\t''
off\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l store -d 'Where secrets come from: aws or file:PATH [default: aws]' -r -f -a "aws\t''
file:\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l strict -d 'Every policy becomes error: true or false [default: false]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l concurrency -d 'Requests in flight to one account at a time, 1 to 64 [default: 40]' -r -f -a "1\t''
40\t''
64\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l airflow-env-file -d 'Where to write AIRFLOW_CONN_*, AIRFLOW_VAR_* and AIRFLOW__* lines: .env for compose and shells, .list for --env-file [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l backend-module-file -d 'Where to write a Python module with a secrets backend that builds only the connection asked for [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l configs-file -d 'Where to write config values, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l connections-file -d 'Where to write connections: .json, .yaml, .yml or .env, or none for no such file [default: /opt/airflow/secrets/connections.json]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l status-file -d 'Where to say how the refresh is doing, for the command status [default: refresh-status.json beside the connections file]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l termination-log -d 'Where the reason of a failure is written [default: /dev/termination-log, if it is there]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l variables-file -d 'Where to write variables, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l show -d 'Print the templates as they come out, placeholders in place of values, and nothing else'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l offline -d 'Make no call: check settings and templates only'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -s h -l help -d 'The flags that most runs need; of a command, its own'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand check" -l help-all -d 'Every flag with its default'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l backend-kwargs -d 'The backend_kwargs: a JSON object, or @PATH of a file with one [default: Airflow\'s own variables]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l conn-ids -d 'Take exactly these conn_ids, by name, without listing (comma or newline separated)' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l variable-keys -d 'Take exactly these variables, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l config-keys -d 'Take exactly these config keys, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l include -d 'Globs: of the listed conn_ids take only these' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l exclude -d 'Globs: of the listed conn_ids leave these out' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l required -d 'conn_ids that must end up in the file; asked for by name where a listing misses them' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l team -d 'The team of a multi-team Airflow that the files are for: TEAM--ID becomes ID and beats it, other teams\' secrets stay out [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l templates -d 'Templates of your own and their targets: SRC=DEST, one a line [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l on-empty-account -d 'One account has nothing under its prefix while another has: error, warn or ignore [default: warn]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l deadline -d 'How long the whole run may take, such as 60s or 2m [default: 60s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l jitter -d 'Longest random wait at the start, such as 5s [default: 0s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l index -d 'The secret that publish-index writes: name or ARN [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l index-kms-key -d 'ARN of the KMS key that publish-index --create makes it under [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l index-readers -d 'Who may read it: accounts, and ids of organisations (comma or newline separated) [default: nobody else]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l refresh-max-stale -d 'Drop what could not be confirmed for so long, such as 4h [default: keep the last good value]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l template -d 'One template and its target, repeatable: the same as a line of --templates' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l airflow-version -d 'Which Airflow reads the file: 2, 3 or an exact version such as 3.1.7 [default: 3]' -r -f -a "2\t''
3\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l expand-env -d 'Replace $NAME and ${NAME} in backend_kwargs from the environment, as Airflow does: true or false [default: true]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l fetch -d 'How values are read: auto, batch or single [default: auto]' -r -f -a "auto\t''
batch\t''
single\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l file-mode -d 'Mode of the files, octal, set before the first byte [default: 0440]' -r -f -a "0400\t''
0440\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l log -d 'error, warn, info, debug or trace [default: info]' -r -f -a "error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l log-format -d 'text or json [default: text on a terminal, json elsewhere]' -r -f -a "text\t''
json\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l on-denied -d 'A secret that may not be read: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l on-empty -d 'Nothing at all was found: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l on-invalid -d 'A listed secret that is malformed: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l on-missing -d 'An id asked for by name that no source has: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l on-shared -d 'A shared account that can\'t be read as a whole: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l output -d 'The form of what check, diff, iam and publish-index print: text or json, and of iam alone terraform [default: text; of iam json]' -r -f -a "text\t''
json\t''
terraform\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l refresh -d 'Keep running and read again at this interval, such as 5m: from 30s to 24h [default: render once]' -r -f -a "5m\t''
15m\t''
1h\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l sandbox -d 'Give up, by Landlock, all writing but that of the files, and running programs: auto (as far as the kernel can) or off [default: auto]' -r -f -a "auto\t''
off\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l store -d 'Where secrets come from: aws or file:PATH [default: aws]' -r -f -a "aws\t''
file:\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l strict -d 'Every policy becomes error: true or false [default: false]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l concurrency -d 'Requests in flight to one account at a time, 1 to 64 [default: 40]' -r -f -a "1\t''
40\t''
64\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l airflow-env-file -d 'Where to write AIRFLOW_CONN_*, AIRFLOW_VAR_* and AIRFLOW__* lines: .env for compose and shells, .list for --env-file [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l backend-module-file -d 'Where to write a Python module with a secrets backend that builds only the connection asked for [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l configs-file -d 'Where to write config values, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l connections-file -d 'Where to write connections: .json, .yaml, .yml or .env, or none for no such file [default: /opt/airflow/secrets/connections.json]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l status-file -d 'Where to say how the refresh is doing, for the command status [default: refresh-status.json beside the connections file]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l termination-log -d 'Where the reason of a failure is written [default: /dev/termination-log, if it is there]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l variables-file -d 'Where to write variables, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -s h -l help -d 'The flags that most runs need; of a command, its own'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand diff" -l help-all -d 'Every flag with its default'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l backend-kwargs -d 'The backend_kwargs: a JSON object, or @PATH of a file with one [default: Airflow\'s own variables]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l conn-ids -d 'Take exactly these conn_ids, by name, without listing (comma or newline separated)' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l variable-keys -d 'Take exactly these variables, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l config-keys -d 'Take exactly these config keys, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l include -d 'Globs: of the listed conn_ids take only these' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l exclude -d 'Globs: of the listed conn_ids leave these out' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l required -d 'conn_ids that must end up in the file; asked for by name where a listing misses them' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l team -d 'The team of a multi-team Airflow that the files are for: TEAM--ID becomes ID and beats it, other teams\' secrets stay out [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l templates -d 'Templates of your own and their targets: SRC=DEST, one a line [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l on-empty-account -d 'One account has nothing under its prefix while another has: error, warn or ignore [default: warn]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l deadline -d 'How long the whole run may take, such as 60s or 2m [default: 60s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l jitter -d 'Longest random wait at the start, such as 5s [default: 0s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l index -d 'The secret that publish-index writes: name or ARN [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l index-kms-key -d 'ARN of the KMS key that publish-index --create makes it under [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l index-readers -d 'Who may read it: accounts, and ids of organisations (comma or newline separated) [default: nobody else]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l refresh-max-stale -d 'Drop what could not be confirmed for so long, such as 4h [default: keep the last good value]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l template -d 'One template and its target, repeatable: the same as a line of --templates' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l airflow-version -d 'Which Airflow reads the file: 2, 3 or an exact version such as 3.1.7 [default: 3]' -r -f -a "2\t''
3\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l expand-env -d 'Replace $NAME and ${NAME} in backend_kwargs from the environment, as Airflow does: true or false [default: true]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l fetch -d 'How values are read: auto, batch or single [default: auto]' -r -f -a "auto\t''
batch\t''
single\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l file-mode -d 'Mode of the files, octal, set before the first byte [default: 0440]' -r -f -a "0400\t''
0440\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l log -d 'error, warn, info, debug or trace [default: info]' -r -f -a "error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l log-format -d 'text or json [default: text on a terminal, json elsewhere]' -r -f -a "text\t''
json\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l on-denied -d 'A secret that may not be read: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l on-empty -d 'Nothing at all was found: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l on-invalid -d 'A listed secret that is malformed: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l on-missing -d 'An id asked for by name that no source has: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l on-shared -d 'A shared account that can\'t be read as a whole: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l output -d 'The form of what check, diff, iam and publish-index print: text or json, and of iam alone terraform [default: text; of iam json]' -r -f -a "text\t''
json\t''
terraform\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l refresh -d 'Keep running and read again at this interval, such as 5m: from 30s to 24h [default: render once]' -r -f -a "5m\t''
15m\t''
1h\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l sandbox -d 'Give up, by Landlock, all writing but that of the files, and running programs: auto (as far as the kernel can) or off [default: auto]' -r -f -a "auto\t''
off\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l store -d 'Where secrets come from: aws or file:PATH [default: aws]' -r -f -a "aws\t''
file:\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l strict -d 'Every policy becomes error: true or false [default: false]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l concurrency -d 'Requests in flight to one account at a time, 1 to 64 [default: 40]' -r -f -a "1\t''
40\t''
64\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l airflow-env-file -d 'Where to write AIRFLOW_CONN_*, AIRFLOW_VAR_* and AIRFLOW__* lines: .env for compose and shells, .list for --env-file [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l backend-module-file -d 'Where to write a Python module with a secrets backend that builds only the connection asked for [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l configs-file -d 'Where to write config values, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l connections-file -d 'Where to write connections: .json, .yaml, .yml or .env, or none for no such file [default: /opt/airflow/secrets/connections.json]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l status-file -d 'Where to say how the refresh is doing, for the command status [default: refresh-status.json beside the connections file]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l termination-log -d 'Where the reason of a failure is written [default: /dev/termination-log, if it is there]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l variables-file -d 'Where to write variables, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -s h -l help -d 'The flags that most runs need; of a command, its own'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand iam" -l help-all -d 'Every flag with its default'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l backend-kwargs -d 'The backend_kwargs: a JSON object, or @PATH of a file with one [default: Airflow\'s own variables]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l conn-ids -d 'Take exactly these conn_ids, by name, without listing (comma or newline separated)' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l variable-keys -d 'Take exactly these variables, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l config-keys -d 'Take exactly these config keys, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l include -d 'Globs: of the listed conn_ids take only these' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l exclude -d 'Globs: of the listed conn_ids leave these out' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l required -d 'conn_ids that must end up in the file; asked for by name where a listing misses them' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l team -d 'The team of a multi-team Airflow that the files are for: TEAM--ID becomes ID and beats it, other teams\' secrets stay out [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l templates -d 'Templates of your own and their targets: SRC=DEST, one a line [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l on-empty-account -d 'One account has nothing under its prefix while another has: error, warn or ignore [default: warn]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l deadline -d 'How long the whole run may take, such as 60s or 2m [default: 60s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l jitter -d 'Longest random wait at the start, such as 5s [default: 0s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l index -d 'The secret that publish-index writes: name or ARN [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l index-kms-key -d 'ARN of the KMS key that publish-index --create makes it under [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l index-readers -d 'Who may read it: accounts, and ids of organisations (comma or newline separated) [default: nobody else]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l refresh-max-stale -d 'Drop what could not be confirmed for so long, such as 4h [default: keep the last good value]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l template -d 'One template and its target, repeatable: the same as a line of --templates' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l airflow-version -d 'Which Airflow reads the file: 2, 3 or an exact version such as 3.1.7 [default: 3]' -r -f -a "2\t''
3\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l expand-env -d 'Replace $NAME and ${NAME} in backend_kwargs from the environment, as Airflow does: true or false [default: true]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l fetch -d 'How values are read: auto, batch or single [default: auto]' -r -f -a "auto\t''
batch\t''
single\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l file-mode -d 'Mode of the files, octal, set before the first byte [default: 0440]' -r -f -a "0400\t''
0440\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l log -d 'error, warn, info, debug or trace [default: info]' -r -f -a "error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l log-format -d 'text or json [default: text on a terminal, json elsewhere]' -r -f -a "text\t''
json\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l on-denied -d 'A secret that may not be read: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l on-empty -d 'Nothing at all was found: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l on-invalid -d 'A listed secret that is malformed: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l on-missing -d 'An id asked for by name that no source has: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l on-shared -d 'A shared account that can\'t be read as a whole: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l output -d 'The form of what check, diff, iam and publish-index print: text or json, and of iam alone terraform [default: text; of iam json]' -r -f -a "text\t''
json\t''
terraform\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l refresh -d 'Keep running and read again at this interval, such as 5m: from 30s to 24h [default: render once]' -r -f -a "5m\t''
15m\t''
1h\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l sandbox -d 'Give up, by Landlock, all writing but that of the files, and running programs: auto (as far as the kernel can) or off [default: auto]' -r -f -a "auto\t''
off\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l store -d 'Where secrets come from: aws or file:PATH [default: aws]' -r -f -a "aws\t''
file:\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l strict -d 'Every policy becomes error: true or false [default: false]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l concurrency -d 'Requests in flight to one account at a time, 1 to 64 [default: 40]' -r -f -a "1\t''
40\t''
64\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l airflow-env-file -d 'Where to write AIRFLOW_CONN_*, AIRFLOW_VAR_* and AIRFLOW__* lines: .env for compose and shells, .list for --env-file [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l backend-module-file -d 'Where to write a Python module with a secrets backend that builds only the connection asked for [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l configs-file -d 'Where to write config values, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l connections-file -d 'Where to write connections: .json, .yaml, .yml or .env, or none for no such file [default: /opt/airflow/secrets/connections.json]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l status-file -d 'Where to say how the refresh is doing, for the command status [default: refresh-status.json beside the connections file]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l termination-log -d 'Where the reason of a failure is written [default: /dev/termination-log, if it is there]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l variables-file -d 'Where to write variables, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l create -d 'Make the secret if it is not there: under SECRETS_INIT_INDEX_KMS_KEY, readable by SECRETS_INIT_INDEX_READERS'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l dry-run -d 'Write nothing, and say what would change. Ends with 0 for nothing, with 1 for something'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -s h -l help -d 'The flags that most runs need; of a command, its own'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand publish-index" -l help-all -d 'Every flag with its default'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l max-age -d 'How old the last success may be, such as 20m: at most 720h. Unset: three intervals' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l backend-kwargs -d 'The backend_kwargs: a JSON object, or @PATH of a file with one [default: Airflow\'s own variables]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l conn-ids -d 'Take exactly these conn_ids, by name, without listing (comma or newline separated)' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l variable-keys -d 'Take exactly these variables, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l config-keys -d 'Take exactly these config keys, by name, without listing' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l include -d 'Globs: of the listed conn_ids take only these' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l exclude -d 'Globs: of the listed conn_ids leave these out' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l required -d 'conn_ids that must end up in the file; asked for by name where a listing misses them' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l team -d 'The team of a multi-team Airflow that the files are for: TEAM--ID becomes ID and beats it, other teams\' secrets stay out [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l templates -d 'Templates of your own and their targets: SRC=DEST, one a line [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l on-empty-account -d 'One account has nothing under its prefix while another has: error, warn or ignore [default: warn]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l deadline -d 'How long the whole run may take, such as 60s or 2m [default: 60s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l jitter -d 'Longest random wait at the start, such as 5s [default: 0s]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l index -d 'The secret that publish-index writes: name or ARN [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l index-kms-key -d 'ARN of the KMS key that publish-index --create makes it under [default: none]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l index-readers -d 'Who may read it: accounts, and ids of organisations (comma or newline separated) [default: nobody else]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l refresh-max-stale -d 'Drop what could not be confirmed for so long, such as 4h [default: keep the last good value]' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l template -d 'One template and its target, repeatable: the same as a line of --templates' -r
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l airflow-version -d 'Which Airflow reads the file: 2, 3 or an exact version such as 3.1.7 [default: 3]' -r -f -a "2\t''
3\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l expand-env -d 'Replace $NAME and ${NAME} in backend_kwargs from the environment, as Airflow does: true or false [default: true]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l fetch -d 'How values are read: auto, batch or single [default: auto]' -r -f -a "auto\t''
batch\t''
single\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l file-mode -d 'Mode of the files, octal, set before the first byte [default: 0440]' -r -f -a "0400\t''
0440\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l log -d 'error, warn, info, debug or trace [default: info]' -r -f -a "error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l log-format -d 'text or json [default: text on a terminal, json elsewhere]' -r -f -a "text\t''
json\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l on-denied -d 'A secret that may not be read: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l on-empty -d 'Nothing at all was found: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l on-invalid -d 'A listed secret that is malformed: error, warn or ignore [default: warn]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l on-missing -d 'An id asked for by name that no source has: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l on-shared -d 'A shared account that can\'t be read as a whole: error, warn or ignore [default: error]' -r -f -a "error\t''
warn\t''
ignore\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l output -d 'The form of what check, diff, iam and publish-index print: text or json, and of iam alone terraform [default: text; of iam json]' -r -f -a "text\t''
json\t''
terraform\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l refresh -d 'Keep running and read again at this interval, such as 5m: from 30s to 24h [default: render once]' -r -f -a "5m\t''
15m\t''
1h\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l sandbox -d 'Give up, by Landlock, all writing but that of the files, and running programs: auto (as far as the kernel can) or off [default: auto]' -r -f -a "auto\t''
off\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l store -d 'Where secrets come from: aws or file:PATH [default: aws]' -r -f -a "aws\t''
file:\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l strict -d 'Every policy becomes error: true or false [default: false]' -r -f -a "true\t''
false\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l concurrency -d 'Requests in flight to one account at a time, 1 to 64 [default: 40]' -r -f -a "1\t''
40\t''
64\t''"
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l airflow-env-file -d 'Where to write AIRFLOW_CONN_*, AIRFLOW_VAR_* and AIRFLOW__* lines: .env for compose and shells, .list for --env-file [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l backend-module-file -d 'Where to write a Python module with a secrets backend that builds only the connection asked for [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l configs-file -d 'Where to write config values, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l connections-file -d 'Where to write connections: .json, .yaml, .yml or .env, or none for no such file [default: /opt/airflow/secrets/connections.json]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l status-file -d 'Where to say how the refresh is doing, for the command status [default: refresh-status.json beside the connections file]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l termination-log -d 'Where the reason of a failure is written [default: /dev/termination-log, if it is there]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l variables-file -d 'Where to write variables, in the same formats [default: not written]' -r -F
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l alive -d 'Judge by the last attempt, whether or not it succeeded: whether the process still reads'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -s h -l help -d 'The flags that most runs need; of a command, its own'
complete -c airflow-secrets-init -n "__fish_airflow_secrets_init_using_subcommand status" -l help-all -d 'Every flag with its default'
