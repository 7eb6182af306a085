using Karya.LoadTests;

// Exit codes: 0 when every acknowledged plan arrived and none too early, 1 when not, 2 when the run could not be made.
const string Usage = "usage: Karya.LoadTests <scenario.yml> [--url http://127.0.0.1:8080]";

if (args is not ([_] or [_, "--url", _]))
{
    await Console.Error.WriteLineAsync(Usage);
    return 2;
}

try
{
    var scenario = Scenario.Parse(await File.ReadAllTextAsync(args[0]));
    var node = new Uri(args.Length == 3 ? args[2] : "http://127.0.0.1:8080");
    var report = await LoadRun.RunAsync(scenario, node);

    Console.Write(report.Print());
    return report.Passed ? 0 : 1;
}
catch (Exception e) when (e is IOException or FormatException or HttpRequestException)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 2;
}
