#!/bin/sh
# Makes the recordings again, byte for byte, on Debian 12: apt-get install espeak-ng sox
set -eu
cd "$(dirname "$0")"

words='one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety plus minus what_is'

record() { # voice, pitch (0 to 99), words a minute
    for word in $words; do
        # From 22,050 Hz to 11,025, as loud as can be, without the silence before and after. No dither:
        # it would be another each time.
        espeak-ng -v "$1" -p "$2" -s "$3" --stdout "$(echo "$word" | tr _ ' ')" |
            sox -D -t wav - -t raw -r 11025 -b 8 -e unsigned-integer - \
                norm -1 silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse
        printf '\0'
    done > "$1.u8"
}

record en-us 45 145
record en-us+f2 50 140
record en-us+klatt4 50 140
