// What Microsoft's older compiler takes and g++ does not, as wharf-c++ gives it, with a source of C beside it (older.c). Prints "ok".
#include <winsock2.h>
#include "older.h"

// The comma goes where nothing follows, on whichever line it stands; strings are not pasted into one token.
#define PRINT(to, format, ...) sprintf_s(to, sizeof(to), format, __VA_ARGS__)
#define PLACE(to, format, ...) \
    sprintf_s(to, sizeof(to), "%s: "##format##"!", "place" \
              , __VA_ARGS__)
#define WIDE(text) L##text
#define TITLE "## \"title\" ##"

class Object {
public:
    virtual ~Object() {}
    virtual int number() const abstract;
};

class Client : public Object {
public:
    int number() const override { return 7; }
};

int main() {
    char text[64];
    Client client;
    int failures = 0;
    PRINT(text, "none");
    failures += strcmp(text, "none") != 0;
    PRINT(text, "%d", client.number());
    failures += strcmp(text, "7") != 0;
    PLACE(text, "here");
    failures += strcmp(text, "place: here!") != 0;
    PLACE(text, "%d", 1);
    failures += strcmp(text, "place: 1!") != 0;
    failures += wcscmp(WIDE("wide"), L"wide") != 0 || strcmp(TITLE, "## \"title\" ##") != 0;
    failures += strstr(__FILE__, "older.cpp") == NULL || __LINE__ != 37;
    failures += older_sum() != 3;
    puts(failures == 0 ? "ok" : "failed");
    return failures;
}
