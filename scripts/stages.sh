# shellcheck shell=bash
# Sourced by the other scripts: run a command as a named stage and print the seconds it took.

# stage TITLE COMMAND [ARGUMENT...]
stage() {
  local title=$1 began=$EPOCHREALTIME ended tenths status=0
  shift
  printf '== %s\n' "$title"
  "$@" || status=$?
  ended=$EPOCHREALTIME
  tenths=$(((${ended/[.,]/} - ${began/[.,]/}) / 100000))
  if ((status == 0)); then
    printf '== %s: %d.%d s\n' "$title" $((tenths / 10)) $((tenths % 10))
  else
    printf '== %s: FAILED with %d after %d.%d s\n' "$title" "$status" $((tenths / 10)) $((tenths % 10)) >&2
  fi
  return "$status"
}
