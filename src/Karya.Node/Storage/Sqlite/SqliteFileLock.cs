using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Karya.Node.Storage.Sqlite;

/// <summary>
/// Keeps a second node away from a store's file, in this process or another one. SQLite's own locks would let two nodes
/// take turns, each overwriting what the other decided.
/// </summary>
/// <remarks>
/// A side file that is held open without sharing, which is <c>flock</c> on Linux: it ends with the process, however
/// that ends. The file stays when the lock is released: removing it would let two later openers lock two different
/// files.
/// </remarks>
internal sealed partial class SqliteFileLock : IDisposable
{
    private const int OpenReadOnlyCloseOnExec = 0x80000;

    // What "somebody else has it" looks like: EWOULDBLOCK of Linux and macOS, the sharing violation of Windows.
    private const int WouldBlockLinux = 11;
    private const int WouldBlockMac = 35;
    private const int SharingViolation = unchecked((int)0x80070020);

    private readonly FileStream _file;

    private SqliteFileLock(FileStream file)
    {
        _file = file;
    }

    public static SqliteFileLock Take(string storePath)
    {
        string path = storePath + ".lock";
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (IOException exception)
            when (exception.HResult is WouldBlockLinux or WouldBlockMac or SharingViolation)
        {
            string holder = ReadHolder(path) is { Length: > 0 } processId ? $"process {processId}" : "another process";
            throw new StoreException(
                $"The store {storePath} is in use by {holder}. One file serves one node: stop the other node, or give "
                + "this one a file of its own.",
                exception);
        }

        try
        {
            file.SetLength(0);
            file.Write(Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
            return new SqliteFileLock(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>
    /// The process id in the lock file; null when it cannot be read. .NET takes a lock for reading too and would
    /// refuse, so this opens the file past it.
    /// </summary>
    private static string? ReadHolder(string path)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        int descriptor = OpenFile(path, OpenReadOnlyCloseOnExec);
        if (descriptor < 0)
            return null;
        using var file = new SafeFileHandle(descriptor, ownsHandle: true);
        Span<byte> text = stackalloc byte[16];
        return Encoding.ASCII.GetString(text[..RandomAccess.Read(file, text, 0)]);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenFile(string path, int flags);
}
