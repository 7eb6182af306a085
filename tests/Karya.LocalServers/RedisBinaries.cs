namespace Karya.LocalServers;

/// <summary>Where <c>redis-server</c> is. build.cake looks in the same places before it runs tests.</summary>
public static class RedisBinaries
{
    /// <summary>Names the folder with the binary to use.</summary>
    public const string FolderVariable = "KARYA_TEST_REDIS_BIN";

    /// <summary>Where packages put it; a <c>PATH</c> of somebody's own may leave that out.</summary>
    private const string SystemFolder = "/usr/bin";

    public static string FindServer() => FindServer(
        Environment.GetEnvironmentVariable(FolderVariable), Environment.GetEnvironmentVariable("PATH"), SystemFolder);

    internal static string FindServer(string? chosen, string? path, string systemFolder)
    {
        if (!string.IsNullOrEmpty(chosen))
        {
            return File.Exists(ServerIn(chosen))
                ? ServerIn(chosen)
                : throw new InvalidOperationException(
                    $"{FolderVariable} is {chosen}, and that folder has no redis-server.");
        }

        return (path ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Append(systemFolder)
            .Select(ServerIn).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException(
                $"There is no Redis for the tests: redis-server is neither on PATH nor in {systemFolder}. Install it " +
                "(Debian, Ubuntu: `apt-get install redis-server`; Fedora, Alpine: the package `redis`), or set " +
                $"{FolderVariable} to the folder with it, or {RedisServer.SharedVariable} to the configuration of a " +
                "server that tests may use.");
    }

    private static string ServerIn(string folder) => Path.Combine(folder, "redis-server");
}
