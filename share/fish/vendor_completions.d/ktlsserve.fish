# Completes the command line of ktlsserve in fish. Written by `python -m manual`; changes made here are lost.

# The command that the line is of: the first word's, or serve, whose name may be left out.
function __ktlsserve_is
    set -l words (commandline -opc)
    set -l command serve
    if set -q words[2]; and contains -- $words[2] serve doctor check healthcheck compress etags
        set command $words[2]
    end
    test $command = $argv[1]
end

function __ktlsserve_begins
    test (count (commandline -opc)) -eq 1
end

complete -c ktlsserve -f
complete -c ktlsserve -n __ktlsserve_begins -a serve -d 'Serve a folder of static files over HTTPS'
complete -c ktlsserve -n __ktlsserve_begins -a doctor -d 'Tell what this machine can do, and for each \'no\' the reason and the cure'
complete -c ktlsserve -n __ktlsserve_begins -a check -d 'Tell all that is wrong with a configuration file, and with the files that it names: each error with its key and line'
complete -c ktlsserve -n __ktlsserve_begins -a healthcheck -d 'Ask a server on this machine whether it is ready'
complete -c ktlsserve -n __ktlsserve_begins -a compress -d 'Compress a site beforehand: app.js.br, app.js.zst and app.js.gz beside app.js, for the server to send to whoever takes them'
complete -c ktlsserve -n __ktlsserve_begins -a etags -d 'Make the entity-tags of a site beforehand: app.js.etag beside app.js, for servers with etags = "sidecar"'

complete -c ktlsserve -n '__ktlsserve_is serve' -l config -r -F -d 'TOML file with all settings'
complete -c ktlsserve -n '__ktlsserve_is serve' -l listen -x -d 'where to listen; repeatable; port 0 picks one'
complete -c ktlsserve -n '__ktlsserve_is serve' -l proxy-protocol -x -d 'require a PROXY header, version 1 or 2, from this network, and take none from others; repeatable'
complete -c ktlsserve -n '__ktlsserve_is serve' -l workers -x -a 'auto' -d 'processes that serve'
complete -c ktlsserve -n '__ktlsserve_is serve' -l user -x -a '(__fish_complete_users)' -d 'whom the workers become once all is bound'
complete -c ktlsserve -n '__ktlsserve_is serve' -l cert -r -F -d 'PEM, certificate and intermediate ones; repeatable'
complete -c ktlsserve -n '__ktlsserve_is serve' -l key -r -F -d 'PEM, its private key'
complete -c ktlsserve -n '__ktlsserve_is serve' -l tls -x -a 'auto kernel userspace off' -d 'auto: the kernel encrypts where it can, else OpenSSL in userspace; kernel: don\'t start if the kernel can\'t; userspace: always OpenSSL; off: plain HTTP'
complete -c ktlsserve -n '__ktlsserve_is serve' -l admin -x -d '/healthz, /readyz, /metrics, /status and a page for people, over plain HTTP; repeatable'
complete -c ktlsserve -n '__ktlsserve_is serve' -l access-log -r -F -a '- off' -d 'a line for every request, to a file or (-) standard output'
complete -c ktlsserve -n '__ktlsserve_is serve' -l log-level -x -a 'debug info warning error' -d 'least important messages logged: debug, info, warning, error'
complete -c ktlsserve -n '__ktlsserve_is serve' -l log-format -x -a 'text json' -d 'text, for people, or json, for collectors; always to standard error'
complete -c ktlsserve -n '__ktlsserve_is serve' -s h -l help -d 'show this and exit'
complete -c ktlsserve -n '__ktlsserve_is serve' -l version -d 'show it and exit'
complete -c ktlsserve -n '__ktlsserve_is serve' -a '(__fish_complete_directories)'

complete -c ktlsserve -n '__ktlsserve_is doctor' -l json -d 'for programs'
complete -c ktlsserve -n '__ktlsserve_is doctor' -s h -l help -d 'show this and exit'
complete -c ktlsserve -n '__ktlsserve_is doctor' -l version -d 'show it and exit'

complete -c ktlsserve -n '__ktlsserve_is check' -s h -l help -d 'show this and exit'
complete -c ktlsserve -n '__ktlsserve_is check' -l version -d 'show it and exit'
complete -c ktlsserve -n '__ktlsserve_is check' -F

complete -c ktlsserve -n '__ktlsserve_is healthcheck' -l config -r -F -d 'TOML file, as for serve --config'
complete -c ktlsserve -n '__ktlsserve_is healthcheck' -l url -x -d 'ask for this alone, without a configuration: 200 is healthy'
complete -c ktlsserve -n '__ktlsserve_is healthcheck' -l timeout -x -d 'for each question'
complete -c ktlsserve -n '__ktlsserve_is healthcheck' -s h -l help -d 'show this and exit'
complete -c ktlsserve -n '__ktlsserve_is healthcheck' -l version -d 'show it and exit'
complete -c ktlsserve -n '__ktlsserve_is healthcheck'

complete -c ktlsserve -n '__ktlsserve_is compress' -l codings -x -d 'what to make, separated by commas: br, zstd, gzip'
complete -c ktlsserve -n '__ktlsserve_is compress' -l min-bytes -x -d 'leave smaller files alone'
complete -c ktlsserve -n '__ktlsserve_is compress' -l prune -d 'also remove what was made of files that have gone'
complete -c ktlsserve -n '__ktlsserve_is compress' -l check -d 'change nothing; list what would be made or removed'
complete -c ktlsserve -n '__ktlsserve_is compress' -l jobs -x -d 'files compressed at the same time'
complete -c ktlsserve -n '__ktlsserve_is compress' -s h -l help -d 'show this and exit'
complete -c ktlsserve -n '__ktlsserve_is compress' -l version -d 'show it and exit'
complete -c ktlsserve -n '__ktlsserve_is compress' -a '(__fish_complete_directories)'

complete -c ktlsserve -n '__ktlsserve_is etags' -l prune -d 'also remove what was made of files that have gone'
complete -c ktlsserve -n '__ktlsserve_is etags' -l check -d 'change nothing; list what would be made or removed'
complete -c ktlsserve -n '__ktlsserve_is etags' -l jobs -x -d 'files read at the same time'
complete -c ktlsserve -n '__ktlsserve_is etags' -s h -l help -d 'show this and exit'
complete -c ktlsserve -n '__ktlsserve_is etags' -l version -d 'show it and exit'
complete -c ktlsserve -n '__ktlsserve_is etags' -a '(__fish_complete_directories)'
