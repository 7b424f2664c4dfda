# Draws terminals as SVG, for docs/pictures.sh: one a file, the first line of which stands above it.
function escaped(text) {
    gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
    return text
}
# Monospace letters of 13 pixels are 7.8 wide in every usual font.
function width_of(text) { return 7.83 * length(text) }
FNR == 1 { if (files) { bottom[files] = y - 7; y += 11 } files++; top[files] = y; head[files] = $0; y += 44; next }
{
    kind = /^\$ |^\^C/ ? "typed" : /^#/ ? "aside" : /^[0-9]\. / ? "title" : "said"
    text = $0
    sub(/^# /, "", text)
    if (width_of(text) > widest) widest = width_of(text)
    if (text != "") lines[++count] = sprintf("<text class=\"%s\" x=\"16\" y=\"%d\" xml:space=\"preserve\">%s</text>", kind, y, escaped(text))
    y += 18
}
END {
    bottom[files] = y - 7; y -= 11
    width = int(widest) + 34
    gsub(/\n/, " ", description)
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\"", width, y + 6, width, y + 6
    print " font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,monospace\" font-size=\"13\" role=\"img\" aria-labelledby=\"title desc\">"
    printf "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n", escaped(title), escaped(description)
    print "<style>"
    print ".screen{fill:#ffffff;stroke:#8a929b}.bar{stroke:#8a929b}.name{fill:#4a525b}.typed{fill:#1668b0;font-weight:600}.title{fill:#1f2328;font-weight:600}.said{fill:#1f2328}.aside{fill:#57606a;font-style:italic}"
    print "@media (prefers-color-scheme: dark){"
    print ".screen{fill:#0d1117;stroke:#6e7681}.bar{stroke:#6e7681}.name{fill:#adb6bf}.typed{fill:#58a6ef}.title,.said{fill:#e6edf3}.aside{fill:#9198a1}"
    print "}\n</style>"
    for (file = 1; file <= files; file++) {
        printf "<rect class=\"screen\" x=\"1\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", top[file] + 1, width - 2, bottom[file] - top[file]
        printf "<path class=\"bar\" d=\"M1 %dH%d\"/>\n<text class=\"name\" x=\"16\" y=\"%d\">%s</text>\n", top[file] + 26, width - 1, top[file] + 18, escaped(head[file])
    }
    for (line = 1; line <= count; line++) print lines[line]
    print "</svg>"
}
