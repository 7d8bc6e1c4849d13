#!/usr/bin/env bash
# decrypt.sh: decrypts its input with the identity on descriptor 3. age takes an identity from a file alone, and it belongs
# on no disk.
exec age --decrypt --identity <(cat <&3)
