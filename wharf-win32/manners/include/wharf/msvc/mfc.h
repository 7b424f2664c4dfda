/* Of MFC what console servers use: CString, lists, arrays and maps, AfxBeginThread, AfxMessageBox and locks. Windows of MFC are not served. */
#ifndef WHARF_MFC_H
#define WHARF_MFC_H

#ifndef __cplusplus
#error "MFC is for C++."
#endif

#include "../win32/tchar.h"
#include "../win32/windows.h"

#include <algorithm>
#include <cassert>
#include <cstdarg>
#include <list>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#define ASSERT(condition) assert(condition)
#define VERIFY(condition) ((void)(condition))
#define TRACE(...) ((void)0)
#define AFX_MANAGE_STATE(state)
#define afx_msg
#ifndef DEBUG_NEW
#define DEBUG_NEW new
#endif

typedef struct wharf_position *POSITION;

/* Text of either kind of character. */
template <class Character>
class wharf_cstring {
public:
    typedef std::basic_string<Character> text_type;
    typedef typename std::conditional<std::is_same<Character, char>::value, wchar_t, char>::type other_type;

    wharf_cstring() {}
    wharf_cstring(const Character *from) : text(from == nullptr ? text_type() : text_type(from)) {}
    wharf_cstring(const Character *from, int length) : text(from, static_cast<size_t>(length)) {}
    /* Of the other kind, as UTF-8. */
    wharf_cstring(const other_type *from) { convert(from, from == nullptr ? 0 : static_cast<int>(std::char_traits<other_type>::length(from))); }
    wharf_cstring(const other_type *from, int length) { convert(from, length); }
    wharf_cstring(Character character, int count = 1) : text(static_cast<size_t>(count), character) {}

    operator const Character *() const { return text.c_str(); }
    const Character *GetString() const { return text.c_str(); }
    int GetLength() const { return static_cast<int>(text.size()); }
    bool IsEmpty() const { return text.empty(); }
    void Empty() { text.clear(); }
    Character GetAt(int index) const { return text[static_cast<size_t>(index)]; }
    void SetAt(int index, Character character) { text[static_cast<size_t>(index)] = character; }
    Character operator[](int index) const { return GetAt(index); }

    void Format(const Character *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        FormatV(format, arguments);
        va_end(arguments);
    }
    void AppendFormat(const Character *format, ...) {
        wharf_cstring more;
        va_list arguments;
        va_start(arguments, format);
        more.FormatV(format, arguments);
        va_end(arguments);
        text += more.text;
    }
    void FormatV(const Character *format, va_list arguments) {
        int length = 0;
        Character *result = print(format, arguments, &length);
        text.assign(result == nullptr ? text_type() : text_type(result, static_cast<size_t>(length)));
        free(result);
    }

    int Compare(const Character *other) const { return text.compare(other); }
    int CompareNoCase(const Character *other) const {
        wharf_cstring one(*this), two(other);
        return one.MakeLower().Compare(two.MakeLower());
    }
    int Find(const Character *what, int from = 0) const { return place(text.find(what, static_cast<size_t>(from))); }
    int Find(Character what, int from = 0) const { return place(text.find(what, static_cast<size_t>(from))); }
    int ReverseFind(Character what) const { return place(text.rfind(what)); }
    wharf_cstring Left(int count) const { return Mid(0, count); }
    wharf_cstring Right(int count) const { return count >= GetLength() ? *this : Mid(GetLength() - (count > 0 ? count : 0)); }
    wharf_cstring Mid(int from, int count = INT_MAX) const {
        wharf_cstring part;
        if (from < GetLength() && count > 0)
            part.text = text.substr(static_cast<size_t>(from > 0 ? from : 0), static_cast<size_t>(count));
        return part;
    }
    wharf_cstring &MakeUpper() { return change([](wint_t c) { return towupper(c); }); }
    wharf_cstring &MakeLower() { return change([](wint_t c) { return towlower(c); }); }
    wharf_cstring &TrimLeft() {
        size_t count = 0;
        while (count < text.size() && is_space(text[count]))
            count++;
        text.erase(0, count);
        return *this;
    }
    wharf_cstring &TrimRight() {
        while (!text.empty() && is_space(text.back()))
            text.pop_back();
        return *this;
    }
    wharf_cstring &Trim() { return TrimRight().TrimLeft(); }
    int Replace(const Character *what, const Character *by) {
        int count = 0;
        text_type from(what), to(by);
        for (size_t at = 0; !from.empty() && (at = text.find(from, at)) != text_type::npos; at += to.size(), count++)
            text.replace(at, from.size(), to);
        return count;
    }
    int Delete(int index, int count = 1) {
        if (index >= 0 && index < GetLength() && count > 0)
            text.erase(static_cast<size_t>(index), static_cast<size_t>(count));
        return GetLength();
    }
    int Insert(int index, const wharf_cstring &more) {
        text.insert(index < 0 ? 0 : index > GetLength() ? text.size() : static_cast<size_t>(index), more.text);
        return GetLength();
    }
    int Remove(Character what) {
        size_t before = text.size();
        text.erase(std::remove(text.begin(), text.end(), what), text.end());
        return static_cast<int>(before - text.size());
    }
    int FindOneOf(const Character *any) const { return place(text.find_first_of(any)); }
    wharf_cstring SpanIncluding(const Character *any) const { return part(0, text.find_first_not_of(any)); }
    wharf_cstring SpanExcluding(const Character *any) const { return part(0, text.find_first_of(any)); }
    /* The next part between separators from `from` on, which is moved behind it; an empty text and -1 at the end. */
    wharf_cstring Tokenize(const Character *separators, int &from) const {
        size_t begin = from < 0 ? text_type::npos : text.find_first_not_of(separators, static_cast<size_t>(from));
        if (begin == text_type::npos) {
            from = -1;
            return wharf_cstring();
        }
        size_t end = text.find_first_of(separators, begin);
        from = static_cast<int>(end == text_type::npos ? text.size() : end) + 1;
        return part(begin, end);
    }
    /* Room that the caller writes into; ReleaseBuffer says how much of it is text. */
    Character *GetBuffer(int room = 0) {
        size_t length = text.size();
        if (static_cast<size_t>(room) > length)
            text.resize(static_cast<size_t>(room));
        return &text[0];
    }
    Character *GetBufferSetLength(int length) {
        text.resize(static_cast<size_t>(length));
        return &text[0];
    }
    void ReleaseBufferSetLength(int length) { ReleaseBuffer(length); }
    void ReleaseBuffer(int length = -1) { text.resize(length >= 0 ? static_cast<size_t>(length) : text_type(text.c_str()).size()); }

    wharf_cstring &operator+=(const wharf_cstring &more) {
        text += more.text;
        return *this;
    }
    wharf_cstring &operator+=(const Character *more) {
        text += more;
        return *this;
    }
    wharf_cstring &operator+=(Character more) {
        text += more;
        return *this;
    }
    friend wharf_cstring operator+(wharf_cstring one, const wharf_cstring &other) { return one += other; }
    friend wharf_cstring operator+(wharf_cstring one, const Character *other) { return one += other; }
    friend wharf_cstring operator+(const Character *one, const wharf_cstring &other) { return wharf_cstring(one) += other; }
    friend bool operator==(const wharf_cstring &one, const wharf_cstring &other) { return one.text == other.text; }
    friend bool operator==(const wharf_cstring &one, const Character *other) { return one.text == other; }
    friend bool operator!=(const wharf_cstring &one, const wharf_cstring &other) { return one.text != other.text; }
    friend bool operator!=(const wharf_cstring &one, const Character *other) { return one.text != other; }
    friend bool operator<(const wharf_cstring &one, const wharf_cstring &other) { return one.text < other.text; }

private:
    text_type text;

    wharf_cstring part(size_t begin, size_t end) const {
        wharf_cstring part;
        part.text = text.substr(begin, end == text_type::npos ? end : end - begin);
        return part;
    }
    static int place(size_t index) { return index == text_type::npos ? -1 : static_cast<int>(index); }
    static bool is_space(Character c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
    void convert(const char *from, int length) {
        text.resize(static_cast<size_t>(length > 0 ? MultiByteToWideChar(CP_UTF8, 0, from, length, nullptr, 0) : 0));
        if (!text.empty())
            MultiByteToWideChar(CP_UTF8, 0, from, length, reinterpret_cast<wchar_t *>(&text[0]), static_cast<int>(text.size()));
    }
    void convert(const wchar_t *from, int length) {
        text.resize(static_cast<size_t>(length > 0 ? WideCharToMultiByte(CP_UTF8, 0, from, length, nullptr, 0, nullptr, nullptr) : 0));
        if (!text.empty())
            WideCharToMultiByte(CP_UTF8, 0, from, length, reinterpret_cast<char *>(&text[0]), static_cast<int>(text.size()), nullptr, nullptr);
    }
    static char *print(const char *format, va_list arguments, int *length) { return wharf_print(format, arguments, length); }
    static wchar_t *print(const wchar_t *format, va_list arguments, int *length) { return wharf_print_wide(format, arguments, length); }
    template <class Change>
    wharf_cstring &change(Change by) {
        for (Character &c : text) {
            if (sizeof(Character) > 1 || (c >= 0 && c < 127))
                c = static_cast<Character>(by(static_cast<wint_t>(c)));
        }
        return *this;
    }
};
typedef wharf_cstring<char> CStringA;
typedef wharf_cstring<wchar_t> CStringW;
typedef wharf_cstring<TCHAR> CString;

class CObject {
public:
    virtual ~CObject() {}
};

#include "mfc_collections.h"

/* Locks. */
class CSyncObject {
public:
    virtual ~CSyncObject() {}
    virtual BOOL Lock(DWORD milliseconds = INFINITE) = 0;
    virtual BOOL Unlock() = 0;
};
class CCriticalSection : public CSyncObject {
public:
    CCriticalSection() { InitializeCriticalSection(&m_sect); }
    ~CCriticalSection() { DeleteCriticalSection(&m_sect); }
    CCriticalSection(const CCriticalSection &) = delete;
    CCriticalSection &operator=(const CCriticalSection &) = delete;
    BOOL Lock(DWORD = INFINITE) override {
        EnterCriticalSection(&m_sect);
        return TRUE;
    }
    BOOL Unlock() override {
        LeaveCriticalSection(&m_sect);
        return TRUE;
    }
    operator CRITICAL_SECTION *() { return &m_sect; }
    CRITICAL_SECTION m_sect;
};
class wharf_handle_lock : public CSyncObject {
public:
    explicit wharf_handle_lock(HANDLE handle) : m_hObject(handle) {}
    ~wharf_handle_lock() { CloseHandle(m_hObject); }
    wharf_handle_lock(const wharf_handle_lock &) = delete;
    wharf_handle_lock &operator=(const wharf_handle_lock &) = delete;
    BOOL Lock(DWORD milliseconds = INFINITE) override { return WaitForSingleObject(m_hObject, milliseconds) != WAIT_TIMEOUT; }
    operator HANDLE() const { return m_hObject; }
    HANDLE m_hObject;
};
class CMutex : public wharf_handle_lock {
public:
    CMutex(BOOL owned = FALSE, LPCTSTR name = nullptr, LPSECURITY_ATTRIBUTES security = nullptr) : wharf_handle_lock(CreateMutex(security, owned, name)) {}
    BOOL Unlock() override { return ReleaseMutex(m_hObject); }
};
class CSemaphore : public wharf_handle_lock {
public:
    CSemaphore(LONG count = 1, LONG most = 1, LPCTSTR name = nullptr, LPSECURITY_ATTRIBUTES security = nullptr)
        : wharf_handle_lock(CreateSemaphore(security, count, most, name)) {}
    BOOL Unlock() override { return ReleaseSemaphore(m_hObject, 1, nullptr); }
};
class CEvent : public wharf_handle_lock {
public:
    CEvent(BOOL set = FALSE, BOOL manual = FALSE, LPCTSTR name = nullptr, LPSECURITY_ATTRIBUTES security = nullptr)
        : wharf_handle_lock(CreateEvent(security, manual, set, name)) {}
    BOOL Unlock() override { return TRUE; }
    BOOL SetEvent() { return ::SetEvent(m_hObject); }
    BOOL ResetEvent() { return ::ResetEvent(m_hObject); }
};
/* Holds a lock until its own end, or until Unlock. */
class CSingleLock {
public:
    explicit CSingleLock(CSyncObject *object, BOOL at_once = FALSE) : object(object), held(FALSE) {
        if (at_once)
            Lock();
    }
    ~CSingleLock() { Unlock(); }
    CSingleLock(const CSingleLock &) = delete;
    CSingleLock &operator=(const CSingleLock &) = delete;
    BOOL Lock(DWORD milliseconds = INFINITE) { return held = object->Lock(milliseconds); }
    BOOL Unlock() {
        BOOL was = held;
        held = FALSE;
        return was && object->Unlock();
    }
    BOOL IsLocked() const { return held; }

private:
    CSyncObject *object;
    BOOL held;
};

/* Threads. */
typedef UINT(__cdecl *AFX_THREADPROC)(LPVOID);
class CWinThread : public CObject {
public:
    CWinThread() : m_bAutoDelete(TRUE), m_hThread(nullptr), m_nThreadID(0), function(nullptr), argument(nullptr) {}
    CWinThread(const CWinThread &) = delete;
    CWinThread &operator=(const CWinThread &) = delete;
    /* Unlike MFC's, the handle of a thread that has ended stays usable for a wait while the object is there. */
    ~CWinThread() {
        if (m_hThread != nullptr)
            CloseHandle(m_hThread);
    }
    operator HANDLE() const { return m_hThread; }
    DWORD ResumeThread() { return ::ResumeThread(m_hThread); }
    BOOL SetThreadPriority(int priority) { return ::SetThreadPriority(m_hThread, priority); }

    BOOL m_bAutoDelete;
    HANDLE m_hThread;
    DWORD m_nThreadID;
    AFX_THREADPROC function;
    LPVOID argument;
};
static inline unsigned __stdcall wharf_run_thread(void *argument) {
    CWinThread *thread = static_cast<CWinThread *>(argument);
    UINT code = thread->function(thread->argument);
    if (thread->m_bAutoDelete)
        delete thread;
    return code;
}
/* Started when all of it is written: a thread that ends at once deletes its object. */
static inline CWinThread *AfxBeginThread(AFX_THREADPROC function, LPVOID argument, int priority = THREAD_PRIORITY_NORMAL, UINT stack = 0,
                                         DWORD flags = 0, LPSECURITY_ATTRIBUTES security = nullptr) {
    CWinThread *thread = new CWinThread;
    unsigned id = 0;
    thread->function = function;
    thread->argument = argument;
    thread->m_hThread = reinterpret_cast<HANDLE>(_beginthreadex(security, stack, wharf_run_thread, thread, CREATE_SUSPENDED, &id));
    if (thread->m_hThread == nullptr) {
        delete thread;
        return nullptr;
    }
    thread->m_nThreadID = id;
    if (priority != THREAD_PRIORITY_NORMAL)
        ::SetThreadPriority(thread->m_hThread, priority);
    if ((flags & CREATE_SUSPENDED) == 0)
        ::ResumeThread(thread->m_hThread);
    return thread;
}
static inline void AfxEndThread(UINT code, BOOL = TRUE) { _endthreadex(code); }

/* Prints, and blocks until a line comes or WHARF_MESSAGE_BOX_MS have passed. */
static inline int AfxMessageBox(LPCTSTR text, UINT type = MB_OK, UINT = 0) { return MessageBox(nullptr, text, TEXT("message"), type); }

class CWinApp : public CWinThread {
public:
    virtual BOOL InitInstance() { return TRUE; }
};
static inline BOOL AfxWinInit(HINSTANCE, HINSTANCE, LPTSTR, int) { return TRUE; }
static inline BOOL AfxSocketInit(WSADATA *data = nullptr) {
    WSADATA room;
    return WSAStartup(MAKEWORD(2, 2), data == nullptr ? &room : data) == 0;
}

#endif
