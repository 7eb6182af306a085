namespace Karya.Protocol.Tests;

/// <summary>Files of the source tree, which is above the test executable.</summary>
internal static class RepositoryFile
{
    public static string[] ReadLines(string path) => File.ReadAllLines(Path.Combine(FindTop(), path));

    private static string FindTop()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Karya.sln")))
            folder = folder.Parent;
        return folder?.FullName
            ?? throw new InvalidOperationException($"No Karya.sln above {AppContext.BaseDirectory}.");
    }
}
