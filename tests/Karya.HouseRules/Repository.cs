namespace Karya.HouseRules;

/// <summary>The real tree on disk: the folder above us that holds the solution.</summary>
public static class Repository
{
    /// <summary>What tools leave in a working copy; ignored by git, and by the rules.</summary>
    private static readonly string[] Leftovers = [".git", ".vs", ".idea", "artifacts", "karya-data", "tools"];

    private static readonly string[] LeftoversAnywhere = ["node_modules", "bin", "obj"];

    private static readonly string[] BinaryEndings = [".png", ".ico", ".woff2", ".db", ".snk"];

    public static string Top { get; } = FindTop();

    public static IReadOnlyList<SourceFile> ReadFiles() =>
        [.. Walk(Top).Select(path => new SourceFile(Relative(path), File.ReadAllText(path)))];

    /// <summary>The names of all files and folders at the top, without what tools leave there.</summary>
    public static IReadOnlyList<string> TopEntries() =>
        [.. Directory.GetFileSystemEntries(Top).Select(Relative).Except(Leftovers)];

    private static IEnumerable<string> Walk(string folder)
    {
        foreach (string file in Directory.GetFiles(folder))
        {
            if (!BinaryEndings.Contains(Path.GetExtension(file)) && !Leftovers.Contains(Relative(file)))
                yield return file;
        }

        foreach (string inner in Directory.GetDirectories(folder))
        {
            if (Leftovers.Contains(Relative(inner)) || LeftoversAnywhere.Contains(Path.GetFileName(inner)))
                continue;

            foreach (string file in Walk(inner))
                yield return file;
        }
    }

    private static string Relative(string path) => Path.GetRelativePath(Top, path).Replace('\\', '/');

    private static string FindTop()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Karya.sln")))
            folder = folder.Parent;

        return folder?.FullName
            ?? throw new InvalidOperationException($"No Karya.sln above {AppContext.BaseDirectory}.");
    }
}
