// MFC's text and collections, as wharf-c++ gives them: built with UNICODE and without, and run. Prints "ok".
#include <afxwin.h>
#include <afxtempl.h>

static int line_of_failure;
#define CHECK(condition)                                                                                                                             \
    do {                                                                                                                                             \
        if (!(condition) && line_of_failure == 0)                                                                                                    \
            line_of_failure = __LINE__;                                                                                                              \
    } while (0)

struct Client {
    int number;
};

static void text() {
    CString line(_T("  one,two;;three")), token;
    int at = 0;
    line.TrimLeft();
    CHECK(line.Tokenize(_T(",;"), at) == _T("one") && at == 4);
    CHECK(line.Tokenize(_T(",;"), at) == _T("two"));
    CHECK(line.Tokenize(_T(",;"), at) == _T("three"));
    CHECK(line.Tokenize(_T(",;"), at).IsEmpty() && at == -1);
    CHECK(line.SpanExcluding(_T(",")) == _T("one") && line.SpanIncluding(_T("eno")) == _T("one"));
    CHECK(line.FindOneOf(_T(";,")) == 3 && line.Remove(_T(';')) == 2);
    CHECK(line.Insert(0, _T("zero,")) == 17 && line.Left(8) == _T("zero,one"));
}

static void arrays() {
    CStringArray names;
    CArray<Client, Client &> clients;
    CUIntArray numbers, more;
    names.Add(_T("a"));
    names.SetAtGrow(2, _T("c"));
    names.InsertAt(1, CString(_T("b")));
    CHECK(names.GetSize() == 4 && names[1] == _T("b") && names[2].IsEmpty() && names.GetAt(3) == _T("c"));
    Client client = {7};
    clients.Add(client);
    CHECK(clients.ElementAt(0).number == 7 && clients.GetData()[0].number == 7);
    numbers.Add(1);
    more.Append(numbers);
    more.Append(more);
    CHECK(more.GetCount() == 2 && more.GetUpperBound() == 1 && more[1] == 1);
}

static void lists() {
    CTypedPtrList<CPtrList, Client *> clients;
    CStringList names;
    Client one = {1}, two = {2};
    int sum = 0;
    clients.AddTail(&two);
    clients.AddHead(&one);
    for (POSITION at = clients.GetHeadPosition(); at != NULL;)
        sum = sum * 10 + clients.GetNext(at)->number;
    CHECK(sum == 12 && clients.Find(&two) != NULL && clients.RemoveHead() == &one);
    names.AddTail(_T("a"));
    CHECK(names.Find(_T("a")) != NULL && names.Find(_T("b")) == NULL);
}

static void maps() {
    CMap<SOCKET, SOCKET, Client *, Client *> clients;
    CMapStringToString words;
    CMap<CString, const CString &, int, int> counts;
    Client one = {1}, two = {2}, *found = NULL;
    CString word;
    clients.SetAt(16, &one);
    clients[17] = &two;
    CHECK(clients.Lookup(17, found) && found == &two && !clients.Lookup(18, found));
    int sum = 0;
    for (POSITION at = clients.GetStartPosition(); at != NULL;) {
        SOCKET key;
        clients.GetNextAssoc(at, key, found);
        sum += found->number;
        CHECK(clients.RemoveKey(key));
    }
    CHECK(sum == 3 && clients.IsEmpty() && !clients.RemoveKey(16));
    words[_T("dog")] = _T("hund");
    words.SetAt(_T("dog"), _T("chien"));
    CHECK(words.GetCount() == 1 && words.Lookup(_T("dog"), word) && word == _T("chien"));
    counts[CString(_T("x"))]++;
    counts[_T("x")]++;
    CHECK(counts.PLookup(_T("x"))->value == 2 && counts.PLookup(_T("y")) == NULL);
}

int _tmain() {
    text();
    arrays();
    lists();
    maps();
    if (line_of_failure != 0)
        _tprintf(_T("line %d fails\n"), line_of_failure);
    else
        _tprintf(_T("ok\n"));
    return line_of_failure != 0;
}
