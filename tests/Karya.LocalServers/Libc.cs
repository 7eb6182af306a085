using System.Runtime.InteropServices;

namespace Karya.LocalServers;

/// <summary>The system calls that .NET has no method for, with the numbers of Linux.</summary>
internal static partial class Libc
{
    public const int SigInt = 2;
    public const int SigQuit = 3;
    public const int SigKill = 9;
    public const int SigTerm = 15;
    public const int SigCont = 18;
    public const int SigStop = 19;

    public const int RemoveSharedMemory = 0;   // IPC_RMID
    public const nuint UnsentBytes = 0x5411;   // SIOCOUTQ

    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial int Kill(int processId, int signal);

    [LibraryImport("libc", EntryPoint = "chown", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int ChangeOwner(string path, int userId, int groupId);

    [LibraryImport("libc", EntryPoint = "shmctl")]
    public static partial int SharedMemoryControl(int id, int command, nint nothing);

    [LibraryImport("libc", EntryPoint = "ioctl")]
    public static partial int Ioctl(nint descriptor, nuint request, out int value);
}
