# For other scripts, which source it: installs Debian packages that are not there yet, as root.
need() {
    local missing=()
    for package in "$@"; do
        dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] || { apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; }
}
