using System.Runtime.InteropServices;

namespace Karya.Engine.Timing;

/// <summary>
/// Zeroed native memory in blocks of one huge page. On Linux a block lies on a huge page boundary and may ask for one
/// (half the cost of a random access in a virtual machine, see <c>docs/performance.md</c>). Elsewhere it is plain
/// memory.
/// </summary>
internal static unsafe partial class HugePages
{
    /// <summary>The size of a huge page of x86-64 and of ARM with 4 KiB base pages.</summary>
    public const int BlockBytes = 2 << 20;

    private const int ProtectionReadWrite = 3;  // PROT_READ | PROT_WRITE
    private const int PrivateAnonymous = 0x22;  // MAP_PRIVATE | MAP_ANONYMOUS
    private const int AdviseHugePage = 14;      // MADV_HUGEPAGE
    private const int AdviseCollapse = 25;      // MADV_COLLAPSE, Linux 6.1 and later
    private const nint MapFailed = -1;

    /// <summary>A block of zeroes, of which only what is touched becomes resident, in small pages.</summary>
    public static byte* Allocate()
    {
        if (OperatingSystem.IsLinux())
            return AllocateAligned();

        void* memory = NativeMemory.AlignedAlloc(BlockBytes, (nuint)Environment.SystemPageSize);
        NativeMemory.Clear(memory, BlockBytes);
        return (byte*)memory;
    }

    /// <summary>
    /// Backs the block with one huge page from now on, if the system allows it; silently nothing otherwise.
    /// </summary>
    public static void Advise(byte* block, bool touched)
    {
        if (!OperatingSystem.IsLinux())
            return;

        // A hint: an older kernel or the setting "never" answers with an error, and small pages serve, only slower.
        _ = Advise((nint)block, BlockBytes, AdviseHugePage);
        if (touched)
            _ = Advise((nint)block, BlockBytes, AdviseCollapse);
    }

    public static void Free(byte* block)
    {
        if (OperatingSystem.IsLinux())
            Invariant.Check(Unmap((nint)block, BlockBytes) == 0);
        else
            NativeMemory.AlignedFree(block);
    }

    /// <summary>
    /// Maps twice the size and gives the ends back: there is no portable way to ask for the alignment.
    /// </summary>
    private static byte* AllocateAligned()
    {
        nint mapped = Map(0, 2 * BlockBytes, ProtectionReadWrite, PrivateAnonymous, -1, 0);
        if (mapped == MapFailed)
            throw new InsufficientMemoryException($"The system refused {2 * BlockBytes} bytes for timers.");

        nint block = (mapped + BlockBytes - 1) & -BlockBytes;
        nint before = block - mapped;
        if (before > 0)
            Invariant.Check(Unmap(mapped, (nuint)before) == 0);
        if (before < BlockBytes)
            Invariant.Check(Unmap(block + BlockBytes, (nuint)(BlockBytes - before)) == 0);
        return (byte*)block;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint bytes, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint bytes);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint bytes, int advice);
}
