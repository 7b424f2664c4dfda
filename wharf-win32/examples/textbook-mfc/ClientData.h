// A client: its socket, and the one operation that is under way on it.
#pragma once

#include "stdafx.h"

const int BUFFER_SIZE = 15000;

enum IoMode { READ, WRITE };

struct PER_IO_DATA {
    OVERLAPPED overlapped;
    WSABUF wsaBuf;
    IoMode mode;
    char buffer[BUFFER_SIZE];
};

class CClientData : public CObject {
public:
    CClientData(SOCKET socket, int number) : m_socket(socket), m_nNumber(number) { ZeroMemory(&m_io, sizeof(m_io)); }
    ~CClientData() { closesocket(m_socket); }

    BOOL BeginReceive();
    BOOL BeginSend(DWORD dwBytes);

    SOCKET m_socket;
    int m_nNumber;
    PER_IO_DATA m_io;
};
