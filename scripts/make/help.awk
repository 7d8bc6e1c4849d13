# Prints the targets of a Makefile with what follows their ##, under the groups that ##@ names.
BEGIN { FS = ":.*## "; print "Usage: make <target>\n" }
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z-]+:.*## / { printf "  %-16s %s\n", $1, $2 }
