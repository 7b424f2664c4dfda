/* MFC's lists, arrays and maps (afxcoll.h, afxtempl.h). Included by mfc.h. */
#ifndef WHARF_MFC_COLLECTIONS_H
#define WHARF_MFC_COLLECTIONS_H

/* A list whose positions stay valid while others come and go. */
template <class Type, class Argument = const Type &>
class CList : public CObject {
public:
    CList(int = 10) : head(nullptr), tail(nullptr), count(0) {}
    CList(const CList &) = delete;
    CList &operator=(const CList &) = delete;
    ~CList() { RemoveAll(); }

    int GetCount() const { return count; }
    int GetSize() const { return count; }
    bool IsEmpty() const { return count == 0; }
    POSITION GetHeadPosition() const { return position(head); }
    POSITION GetTailPosition() const { return position(tail); }
    Type &GetHead() { return head->value; }
    Type &GetTail() { return tail->value; }
    const Type &GetHead() const { return head->value; }
    const Type &GetTail() const { return tail->value; }
    Type &GetAt(POSITION at) { return node(at)->value; }
    const Type &GetAt(POSITION at) const { return node(at)->value; }
    void SetAt(POSITION at, Argument value) { node(at)->value = value; }
    Type &GetNext(POSITION &at) {
        Node *now = node(at);
        at = position(now->next);
        return now->value;
    }
    const Type &GetNext(POSITION &at) const {
        const Node *now = node(at);
        at = position(now->next);
        return now->value;
    }
    Type &GetPrev(POSITION &at) {
        Node *now = node(at);
        at = position(now->previous);
        return now->value;
    }
    POSITION AddTail(Argument value) { return insert(value, tail, nullptr); }
    POSITION AddHead(Argument value) { return insert(value, nullptr, head); }
    POSITION InsertBefore(POSITION at, Argument value) { return at == nullptr ? AddHead(value) : insert(value, node(at)->previous, node(at)); }
    POSITION InsertAfter(POSITION at, Argument value) { return at == nullptr ? AddTail(value) : insert(value, node(at), node(at)->next); }
    void RemoveAt(POSITION at) {
        Node *gone = node(at);
        (gone->previous == nullptr ? head : gone->previous->next) = gone->next;
        (gone->next == nullptr ? tail : gone->next->previous) = gone->previous;
        delete gone;
        count--;
    }
    Type RemoveHead() {
        Type value = head->value;
        RemoveAt(position(head));
        return value;
    }
    Type RemoveTail() {
        Type value = tail->value;
        RemoveAt(position(tail));
        return value;
    }
    void RemoveAll() {
        while (count > 0)
            RemoveAt(position(head));
    }
    POSITION Find(Argument value, POSITION after = nullptr) const {
        Node *at = after == nullptr ? head : node(after)->next;
        while (at != nullptr && !(at->value == value))
            at = at->next;
        return position(at);
    }
    POSITION FindIndex(int index) const {
        Node *at = index < 0 ? nullptr : head;
        for (; at != nullptr && index > 0; index--)
            at = at->next;
        return position(at);
    }

private:
    struct Node {
        Type value;
        Node *previous, *next;
    };
    Node *head, *tail;
    int count;

    static POSITION position(Node *node) { return reinterpret_cast<POSITION>(node); }
    static Node *node(POSITION at) { return reinterpret_cast<Node *>(at); }
    POSITION insert(const Type &value, Node *previous, Node *next) {
        Node *fresh = new Node{value, previous, next};
        (previous == nullptr ? head : previous->next) = fresh;
        (next == nullptr ? tail : next->previous) = fresh;
        count++;
        return position(fresh);
    }
};
typedef CList<void *, void *> CPtrList;
typedef CList<CObject *, CObject *> CObList;
typedef CList<CString, LPCTSTR> CStringList;

/* An array that grows by Add and SetAtGrow. */
template <class Type, class Argument = const Type &>
class CArray : public CObject {
public:
    int GetSize() const { return static_cast<int>(items.size()); }
    int GetCount() const { return GetSize(); }
    int GetUpperBound() const { return GetSize() - 1; }
    bool IsEmpty() const { return items.empty(); }
    void SetSize(int size, int = -1) { items.resize(static_cast<size_t>(size)); }
    void FreeExtra() { items.shrink_to_fit(); }
    int Add(Argument value) {
        items.push_back(value);
        return GetUpperBound();
    }
    /* Returns the index of the first of them. */
    int Append(const CArray &more) {
        int first = GetSize();
        std::vector<Type> copy(more.items);
        items.insert(items.end(), copy.begin(), copy.end());
        return first;
    }
    void Copy(const CArray &other) { items = other.items; }
    Type &GetAt(int index) { return items[static_cast<size_t>(index)]; }
    const Type &GetAt(int index) const { return items[static_cast<size_t>(index)]; }
    Type &ElementAt(int index) { return GetAt(index); }
    Type &operator[](int index) { return GetAt(index); }
    const Type &operator[](int index) const { return GetAt(index); }
    Type *GetData() { return items.data(); }
    const Type *GetData() const { return items.data(); }
    void SetAt(int index, Argument value) { items[static_cast<size_t>(index)] = value; }
    void SetAtGrow(int index, Argument value) {
        if (index >= GetSize())
            SetSize(index + 1);
        SetAt(index, value);
    }
    void InsertAt(int index, Argument value, int count = 1) {
        Type copy = value;
        if (index > GetSize())
            SetSize(index);
        items.insert(items.begin() + index, static_cast<size_t>(count), copy);
    }
    void RemoveAt(int index, int count = 1) { items.erase(items.begin() + index, items.begin() + index + count); }
    void RemoveAll() { items.clear(); }

private:
    std::vector<Type> items;
};
typedef CArray<void *, void *> CPtrArray;
typedef CArray<CObject *, CObject *> CObArray;
typedef CArray<CString, LPCTSTR> CStringArray;
typedef CArray<BYTE, BYTE> CByteArray;
typedef CArray<WORD, WORD> CWordArray;
typedef CArray<DWORD, DWORD> CDWordArray;
typedef CArray<UINT, UINT> CUIntArray;

/* Where a key stands in a map: for numbers and pointers, and for text. A program with keys of its own writes a specialisation. */
template <class Argument>
inline UINT HashKey(Argument key) {
    return static_cast<UINT>((ULONG_PTR)(key) >> 4);
}
inline UINT wharf_hash(LPCTSTR text) {
    UINT hash = 5381;
    for (; *text != 0; text++)
        hash = hash * 33 + static_cast<UINT>(*text);
    return hash;
}
template <>
inline UINT HashKey<LPCTSTR>(LPCTSTR key) {
    return wharf_hash(key);
}
template <>
inline UINT HashKey<CString>(CString key) {
    return wharf_hash(key);
}
template <>
inline UINT HashKey<const CString &>(const CString &key) {
    return wharf_hash(key);
}

/* A map. What GetNextAssoc has returned may be removed before the next call. */
template <class Key, class KeyArgument, class Value, class ValueArgument>
class CMap : public CObject {
public:
    struct CPair {
        const Key key;
        Value value;
    };

    explicit CMap(int = 10) {}
    CMap(const CMap &) = delete;
    CMap &operator=(const CMap &) = delete;

    int GetCount() const { return static_cast<int>(pairs.size()); }
    int GetSize() const { return GetCount(); }
    bool IsEmpty() const { return pairs.empty(); }
    void InitHashTable(UINT count, BOOL = TRUE) { places.reserve(count); }
    BOOL Lookup(KeyArgument key, Value &value) const {
        typename Places::const_iterator at = find(key);
        if (at == places.end())
            return FALSE;
        value = at->second->value;
        return TRUE;
    }
    CPair *PLookup(KeyArgument key) {
        typename Places::const_iterator at = find(key);
        return at == places.end() ? nullptr : &*at->second;
    }
    Value &operator[](KeyArgument key) {
        typename Places::const_iterator at = find(key);
        if (at == places.end()) {
            pairs.push_back(CPair{Key(key), Value()});
            at = places.insert(std::make_pair(HashKey<KeyArgument>(key), --pairs.end()));
        }
        return at->second->value;
    }
    void SetAt(KeyArgument key, ValueArgument value) { (*this)[key] = value; }
    BOOL RemoveKey(KeyArgument key) {
        typename Places::const_iterator at = find(key);
        if (at == places.end())
            return FALSE;
        typename Pairs::iterator pair = at->second;
        places.erase(at);
        pairs.erase(pair);
        return TRUE;
    }
    void RemoveAll() {
        places.clear();
        pairs.clear();
    }
    POSITION GetStartPosition() const { return pairs.empty() ? nullptr : position(pairs.begin()); }
    void GetNextAssoc(POSITION &at, Key &key, Value &value) const {
        const CPair *now = reinterpret_cast<const CPair *>(at);
        typename Pairs::const_iterator next = find(now->key)->second;
        key = now->key;
        value = now->value;
        at = ++next == pairs.end() ? nullptr : position(next);
    }

private:
    typedef std::list<CPair> Pairs;
    typedef std::unordered_multimap<UINT, typename Pairs::iterator> Places;
    Pairs pairs;
    Places places;

    static POSITION position(typename Pairs::const_iterator at) { return reinterpret_cast<POSITION>(const_cast<CPair *>(&*at)); }
    typename Places::const_iterator find(KeyArgument key) const {
        std::pair<typename Places::const_iterator, typename Places::const_iterator> some = places.equal_range(HashKey<KeyArgument>(key));
        while (some.first != some.second && !(some.first->second->key == key))
            ++some.first;
        return some.first == some.second ? places.end() : some.first;
    }
};
typedef CMap<CString, LPCTSTR, CString, LPCTSTR> CMapStringToString;
typedef CMap<CString, LPCTSTR, void *, void *> CMapStringToPtr;
typedef CMap<CString, LPCTSTR, CObject *, CObject *> CMapStringToOb;
typedef CMap<void *, void *, void *, void *> CMapPtrToPtr;
typedef CMap<void *, void *, WORD, WORD> CMapPtrToWord;
typedef CMap<WORD, WORD, void *, void *> CMapWordToPtr;
typedef CMap<WORD, WORD, CObject *, CObject *> CMapWordToOb;

/* MFC's cast what the first holds; these hold the type itself. */
template <class Base, class Type>
class CTypedPtrList : public CList<Type, Type> {};
template <class Base, class Type>
class CTypedPtrArray : public CArray<Type, Type> {};
template <class Base, class Key, class Value>
class CTypedPtrMap : public CMap<Key, const Key &, Value, Value> {};

#endif
