// As Visual Studio's wizard makes it: what every file of the program includes.
#pragma once

#include <AfxWin.h>
#include <AfxTempl.h>
#include <AfxMt.h>
#include <WinSock2.h>
#include <Windows.h>
#include <tchar.h>

#pragma comment(lib, "ws2_32.lib")
