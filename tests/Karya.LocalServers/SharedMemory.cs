using System.Globalization;
using System.Text.RegularExpressions;

namespace Karya.LocalServers;

/// <summary>
/// The shared memory that outlives killed processes: nobody is left to remove it. A server started again on the same
/// data cleans up by itself; for one that is not, we do.
/// </summary>
internal sealed partial class SharedMemory
{
    private readonly HashSet<int> _segments = [];
    private readonly HashSet<string> _files = [];

    private SharedMemory()
    {
    }

    /// <summary>Ids of System V.</summary>
    public IReadOnlyCollection<int> Segments => _segments;

    public IReadOnlyCollection<string> Files => _files;

    /// <summary>What these processes have mapped now.</summary>
    public static SharedMemory Of(IEnumerable<int> processIds)
    {
        var memory = new SharedMemory();
        foreach (int processId in processIds)
        {
            try
            {
                foreach (string line in File.ReadLines($"/proc/{processId}/maps"))
                    memory.Note(line);
            }
            catch (IOException)
            {
                // It ended meanwhile; the others map the same memory.
            }
        }

        return memory;
    }

    public void Remove()
    {
        foreach (int segment in _segments)
            _ = Libc.SharedMemoryControl(segment, Libc.RemoveSharedMemory, 0);
        foreach (string file in _files)
            File.Delete(file);
    }

    /// <summary>For a System V segment the kernel shows its id in place of the inode.</summary>
    [GeneratedRegex(@"^\S+ \S+ \S+ \S+ (?<id>\d+) +(/SYSV[0-9a-f]{8}|(?<file>/dev/shm/PostgreSQL\.\d+))")]
    private static partial Regex Mapping();

    private void Note(string line)
    {
        if (Mapping().Match(line) is not { Success: true } match)
            return;

        if (match.Groups["file"].Success)
            _files.Add(match.Groups["file"].Value);
        else
            _segments.Add(int.Parse(match.Groups["id"].Value, CultureInfo.InvariantCulture));
    }
}
