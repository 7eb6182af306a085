using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Karya.LocalServers.Tests;

/// <summary>
/// Another process of these tests that starts a server, says where it is, and is killed: its server must die with it.
/// </summary>
internal static class Starter
{
    private const string Report = "KARYA_TEST_STARTER_REPORT";

    /// <summary>What the explicit test of the other process does.</summary>
    /// <param name="folder">The server's, which nobody is left to remove.</param>
    /// <param name="processes">Of the server.</param>
    public static void WaitToBeKilled(string folder, IEnumerable<int> processes)
    {
        string report = Environment.GetEnvironmentVariable(Report)!;
        File.WriteAllLines(
            report + ".part", [folder, .. processes.Select(id => id.ToString(CultureInfo.InvariantCulture))]);
        File.Move(report + ".part", report);
        Thread.Sleep(Timeout.Infinite);
    }

    /// <summary>Runs an explicit test that calls <see cref="WaitToBeKilled"/>; kills it when its server runs.</summary>
    public static void IsFollowedByItsServer(string explicitTest)
    {
        string folder = Directory.CreateTempSubdirectory("karya-test-").FullName;
        string report = Path.Combine(folder, "report");
        using var starter = Process.Start(new ProcessStartInfo(
            Environment.ProcessPath!, ["-explicit", "only", "-method", "*." + explicitTest])
        {
            Environment = { [Report] = report },
            RedirectStandardOutput = true,
        })!;
        try
        {
            Assert.True(Polling.Until(() => File.Exists(report) || starter.HasExited, TimeSpan.FromSeconds(60)));
            Assert.True(File.Exists(report), starter.HasExited ? starter.StandardOutput.ReadToEnd() : "No report.");
            int[] server = [.. File.ReadAllLines(report).Skip(1).Select(int.Parse)];
            Assert.True(ProcessTree.IsAlive(server[0]));

            starter.Kill();

            Assert.True(Polling.Until(() => !server.Any(ProcessTree.IsAlive), TimeSpan.FromSeconds(30)));
        }
        finally
        {
            starter.Kill();
            if (File.Exists(report))
                Directory.Delete(File.ReadLines(report).First(), recursive: true);
            Directory.Delete(folder, recursive: true);
        }
    }
}
