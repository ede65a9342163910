/* SPDX-License-Identifier: MIT */
/* Error numbers of Linux, as programs see them: a call returns -LINUX_Exxx. */
#ifndef ABI_LINUX_ERRNO_H
#define ABI_LINUX_ERRNO_H

enum linux_errno {
	LINUX_EPERM = 1, /* operation not permitted */
	LINUX_ENOENT = 2, /* no such file or directory */
	LINUX_ESRCH = 3, /* no such process */
	LINUX_EINTR = 4, /* interrupted by a signal */
	LINUX_EIO = 5, /* device error */
	LINUX_ENXIO = 6, /* no such device or address */
	LINUX_E2BIG = 7, /* argument list too long */
	LINUX_ENOEXEC = 8, /* not an executable */
	LINUX_EBADF = 9, /* bad descriptor */
	LINUX_ECHILD = 10, /* no children */
	LINUX_EAGAIN = 11, /* would have to wait */
	LINUX_ENOMEM = 12, /* no memory */
	LINUX_EACCES = 13, /* permission denied */
	LINUX_EFAULT = 14, /* bad address */
	LINUX_ENOTBLK = 15, /* not a block device */
	LINUX_EBUSY = 16, /* in use */
	LINUX_EEXIST = 17, /* exists already */
	LINUX_EXDEV = 18, /* another file system */
	LINUX_ENODEV = 19, /* no such device */
	LINUX_ENOTDIR = 20, /* not a directory */
	LINUX_EISDIR = 21, /* is a directory */
	LINUX_EINVAL = 22, /* invalid argument */
	LINUX_ENFILE = 23, /* too many open files in the system */
	LINUX_EMFILE = 24, /* too many open files in the process */
	LINUX_ENOTTY = 25, /* not a terminal, or no such ioctl */
	LINUX_ETXTBSY = 26, /* program is being run */
	LINUX_EFBIG = 27, /* file too large */
	LINUX_ENOSPC = 28, /* no space left */
	LINUX_ESPIPE = 29, /* cannot seek */
	LINUX_EROFS = 30, /* read-only file system */
	LINUX_EMLINK = 31, /* too many links */
	LINUX_EPIPE = 32, /* nobody reads */
	LINUX_EDOM = 33, /* out of the domain */
	LINUX_ERANGE = 34, /* out of range */
	LINUX_EDEADLK = 35, /* would deadlock */
	LINUX_ENAMETOOLONG = 36, /* name too long */
	LINUX_ENOLCK = 37, /* no locks */
	LINUX_ENOSYS = 38, /* no such call */
	LINUX_ENOTEMPTY = 39, /* directory not empty */
	LINUX_ELOOP = 40, /* too many symbolic links */
	LINUX_ENOMSG = 42, /* no such message */
	LINUX_EIDRM = 43, /* identifier removed */
	LINUX_ENOSTR = 60, /* not a stream */
	LINUX_ENODATA = 61, /* no data */
	LINUX_ETIME = 62, /* timer expired */
	LINUX_ENOLINK = 67, /* link severed */
	LINUX_EPROTO = 71, /* protocol error */
	LINUX_EBADMSG = 74, /* bad message */
	LINUX_EOVERFLOW = 75, /* value too large */
	LINUX_ELIBBAD = 80, /* broken interpreter */
	LINUX_EILSEQ = 84, /* illegal byte sequence */
	LINUX_EUSERS = 87, /* too many users */
	LINUX_ENOTSOCK = 88, /* not a socket */
	LINUX_EDESTADDRREQ = 89, /* destination required */
	LINUX_EMSGSIZE = 90, /* message too long */
	LINUX_EPROTOTYPE = 91, /* wrong protocol type */
	LINUX_ENOPROTOOPT = 92, /* no such protocol option */
	LINUX_EPROTONOSUPPORT = 93, /* protocol not supported */
	LINUX_ESOCKTNOSUPPORT = 94, /* socket type not supported */
	LINUX_EOPNOTSUPP = 95, /* not supported */
	LINUX_EPFNOSUPPORT = 96, /* protocol family not supported */
	LINUX_EAFNOSUPPORT = 97, /* address family not supported */
	LINUX_EADDRINUSE = 98, /* address in use */
	LINUX_EADDRNOTAVAIL = 99, /* address not available */
	LINUX_ENETDOWN = 100, /* network is down */
	LINUX_ENETUNREACH = 101, /* network unreachable */
	LINUX_ENETRESET = 102, /* connection dropped by network */
	LINUX_ECONNABORTED = 103, /* connection aborted */
	LINUX_ECONNRESET = 104, /* connection reset */
	LINUX_ENOBUFS = 105, /* no buffer space */
	LINUX_EISCONN = 106, /* connected already */
	LINUX_ENOTCONN = 107, /* not connected */
	LINUX_ESHUTDOWN = 108, /* endpoint was shut down */
	LINUX_ETOOMANYREFS = 109, /* too many references */
	LINUX_ETIMEDOUT = 110, /* timed out */
	LINUX_ECONNREFUSED = 111, /* connection refused */
	LINUX_EHOSTDOWN = 112, /* host is down */
	LINUX_EHOSTUNREACH = 113, /* host unreachable */
	LINUX_EALREADY = 114, /* in progress already */
	LINUX_EINPROGRESS = 115, /* in progress */
	LINUX_ESTALE = 116, /* stale handle */
	LINUX_EDQUOT = 122, /* over quota */
	LINUX_ENOMEDIUM = 123, /* no medium */
	LINUX_ECANCELED = 125, /* cancelled */
	LINUX_ENOKEY = 126, /* no key */
	LINUX_EOWNERDEAD = 130, /* owner died */
	LINUX_ENOTRECOVERABLE = 131, /* not recoverable */
	LINUX_EWOULDBLOCK = LINUX_EAGAIN,
	LINUX_ENOTSUP = LINUX_EOPNOTSUPP,
};

#endif
