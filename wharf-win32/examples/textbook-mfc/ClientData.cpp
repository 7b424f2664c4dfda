#include "StdAfx.h"
#include "CLIENTDATA.h"

BOOL CClientData::BeginReceive() {
    DWORD dwBytes = 0, dwFlags = 0;
    ZeroMemory(&m_io.overlapped, sizeof(OVERLAPPED));
    m_io.mode = READ;
    m_io.wsaBuf.buf = m_io.buffer;
    m_io.wsaBuf.len = BUFFER_SIZE;
    int nResult = WSARecv(m_socket, &m_io.wsaBuf, 1, &dwBytes, &dwFlags, &m_io.overlapped, NULL);
    return nResult == 0 || WSAGetLastError() == WSA_IO_PENDING;
}

BOOL CClientData::BeginSend(DWORD dwLength) {
    DWORD dwBytes = 0;
    ZeroMemory(&m_io.overlapped, sizeof(OVERLAPPED));
    m_io.mode = WRITE;
    m_io.wsaBuf.buf = m_io.buffer;
    m_io.wsaBuf.len = dwLength;
    int nResult = WSASend(m_socket, &m_io.wsaBuf, 1, &dwBytes, 0, &m_io.overlapped, NULL);
    return nResult == 0 || WSAGetLastError() == WSA_IO_PENDING;
}
