using System.Globalization;

namespace Karya.LocalServers;

/// <summary>
/// A process and all that descend from it, by <c>/proc</c>. The root must be a child of ours or alive, so that its id
/// cannot belong to somebody else meanwhile.
/// </summary>
internal static class ProcessTree
{
    /// <summary>A process that waits for the disk obeys a signal only afterwards.</summary>
    private static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(30);

    private const char Gone = '\0';
    private const char Zombie = 'Z';   // Ended, all it held is free; only its parent has not asked yet.
    private const char Stopped = 'T';

    public static bool IsAlive(int processId) => StateOf(processId).State is not (Gone or Zombie);

    /// <summary>
    /// Stops the root first: what does not run cannot fork, and does not collect dead children, so no id changes its
    /// meaning while we look. Answers the whole tree, root first.
    /// </summary>
    public static IReadOnlyList<int> Freeze(int root)
    {
        List<int> frozen = [];
        List<int> found = [root];
        while (found.Count > 0)
        {
            foreach (int processId in found)
                _ = Libc.Kill(processId, Libc.SigStop);
            Await(found, state => state is Stopped or Gone or Zombie, "stop");
            frozen.AddRange(found);
            found = ChildrenOf(frozen).Except(frozen).ToList();
        }

        return frozen;
    }

    /// <summary>Children first, so that a parent does not see them stopped.</summary>
    public static void Thaw(IReadOnlyList<int> frozen)
    {
        foreach (int processId in frozen.Reverse())
            _ = Libc.Kill(processId, Libc.SigCont);
    }

    /// <summary>kill -9 of a frozen tree, until nothing of it runs.</summary>
    public static void Kill(IReadOnlyList<int> frozen)
    {
        foreach (int processId in frozen)
            _ = Libc.Kill(processId, Libc.SigKill);
        Await(frozen, state => state is Gone or Zombie, "end");
    }

    private static void Await(IReadOnlyList<int> processIds, Func<char, bool> reached, string step)
    {
        foreach (int processId in processIds)
        {
            if (!Polling.Until(() => reached(StateOf(processId).State), WaitMax))
                throw new TimeoutException($"Process {processId} did not {step} within {WaitMax.TotalSeconds} s.");
        }
    }

    private static IEnumerable<int> ChildrenOf(IReadOnlyCollection<int> parents) =>
        from path in Directory.EnumerateDirectories("/proc")
        let processId = int.TryParse(Path.GetFileName(path), CultureInfo.InvariantCulture, out int id) ? id : 0
        where processId > 0 && parents.Contains(StateOf(processId).ParentId)
        select processId;

    /// <summary>"12 (a name) with anything) S 1 ...": the fields begin after the last parenthesis.</summary>
    private static (char State, int ParentId) StateOf(int processId)
    {
        try
        {
            string line = File.ReadAllText($"/proc/{processId}/stat");
            string[] fields = line[(line.LastIndexOf(')') + 2)..].Split(' ', 3);
            return (fields[0][0], int.Parse(fields[1], CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            return (Gone, 0);   // It ended, perhaps between opening and reading.
        }
    }
}
