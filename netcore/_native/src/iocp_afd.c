/* AFD, the driver below Winsock: its poll request tells a completion port once when a socket is ready.
 *
 * Nothing of it is documented but by those who use it (wepoll, libuv, mio, and Winsock's own select). A request
 * is asynchronous: the system writes into its memory until its completion has come out of the port, whether
 * it was cancelled or not.
 */

#include <winternl.h>

NTSYSAPI NTSTATUS NTAPI NtCancelIoFileEx(HANDLE file, IO_STATUS_BLOCK *request, IO_STATUS_BLOCK *result);

enum { AFD_IOCTL_POLL = 0x00012024, AFD_LAYERS = 16 /* providers upon each other, at most */ };

enum {
    AFD_RECEIVE = 0x001,
    AFD_SEND = 0x004,
    AFD_DISCONNECT = 0x008, /* the end of the stream; not told while there are bytes before it */
    AFD_ABORT = 0x010,
    AFD_LOCAL_CLOSE = 0x020,
    AFD_ACCEPT = 0x080,
    AFD_CONNECT_FAIL = 0x100
};

#define AFD_OK ((NTSTATUS)0x00000000)
#define AFD_PENDING ((NTSTATUS)0x00000103)
#define AFD_CANCELLED ((NTSTATUS)0xC0000120)
#define AFD_INVALID_HANDLE ((NTSTATUS)0xC0000008)
#define AFD_NOT_FOUND ((NTSTATUS)0xC0000225)

typedef struct {
    LARGE_INTEGER timeout;
    ULONG count;
    ULONG exclusive;
    struct {
        HANDLE handle;
        ULONG events;
        NTSTATUS status;
    } sockets[1];
} afd_poll;

/* Numbers of errors in the system's own terms, as those of Winsock and of C. */
static int afd__error(DWORD code)
{
    switch (code) {
    case ERROR_INVALID_HANDLE:
    case WSAENOTSOCK:
        return -EBADF;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_COMMITMENT_LIMIT:
        return -ENOMEM;
    case ERROR_TOO_MANY_OPEN_FILES:
        return -EMFILE;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_NOT_SUPPORTED:
        return -ENOSYS;
    default:
        return -EIO;
    }
}

/* Opens the driver for requests that complete at a port. */
static int afd__open(HANDLE port, HANDLE *afd)
{
    static WCHAR text[] = L"\\Device\\Afd\\netcore";
    UNICODE_STRING name = {sizeof text - sizeof *text, sizeof text, text};
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof attributes, .ObjectName = &name};
    IO_STATUS_BLOCK status;
    NTSTATUS result = NtCreateFile(afd, SYNCHRONIZE, &attributes, &status, NULL, 0,
                                   FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN, 0, NULL, 0);

    if (result != AFD_OK)
        return afd__error(RtlNtStatusToDosError(result));
    if (CreateIoCompletionPort(*afd, port, 0, 0) &&
        SetFileCompletionNotificationModes(*afd, FILE_SKIP_SET_EVENT_ON_HANDLE))
        return 0;
    result = afd__error(GetLastError());
    CloseHandle(*afd);
    return result;
}

static int afd__ask(SOCKET socket, DWORD request, SOCKET *answer)
{
    DWORD length;

    return WSAIoctl(socket, request, NULL, 0, answer, sizeof *answer, &length, NULL, NULL) == 0;
}

/* Finds the socket below all layered providers, the only one that AFD knows. Some of them answer
 * SIO_BASE_HANDLE wrongly or not at all, and then may still tell the next one below them. */
static int afd__base_of(nc_socket socket, SOCKET *base)
{
    static const DWORD requests[] = {SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE};
    SOCKET at = (SOCKET)socket;
    int type, size = sizeof type;

    if (getsockopt(at, SOL_SOCKET, SO_TYPE, (char *)&type, &size) != 0)
        return -EBADF; /* no socket; not every provider says so when it is asked for the one below */
    for (int layer = 0; layer < AFD_LAYERS; layer++) {
        SOCKET below = at;
        if (afd__ask(at, SIO_BASE_HANDLE, base))
            return 0;
        for (size_t i = 0; i < sizeof requests / sizeof *requests && below == at; i++)
            if (!afd__ask(at, requests[i], &below))
                below = at;
        if (below == at)
            break;
        at = below;
    }
    return -ENOTSUP;
}

/* Starts a request; `context` comes with its completion. */
static NTSTATUS afd__poll(HANDLE afd, SOCKET base, ULONG events, afd_poll *poll, IO_STATUS_BLOCK *status,
                          void *context)
{
    poll->timeout.QuadPart = INT64_MAX;
    poll->count = 1;
    poll->exclusive = 0;
    poll->sockets[0].handle = (HANDLE)base;
    poll->sockets[0].events = events;
    poll->sockets[0].status = 0;
    status->Status = AFD_PENDING;
    return NtDeviceIoControlFile(afd, NULL, NULL, context, status, AFD_IOCTL_POLL, poll, sizeof *poll, poll,
                                 sizeof *poll);
}

/* Ends a request early; its completion comes all the same, and may have been under way already. */
static void afd__cancel(HANDLE afd, IO_STATUS_BLOCK *status)
{
    IO_STATUS_BLOCK result;

    if (status->Status == AFD_PENDING)
        NtCancelIoFileEx(afd, status, &result);
}
