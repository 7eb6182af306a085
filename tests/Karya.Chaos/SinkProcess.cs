using System.Diagnostics;
using System.Globalization;

namespace Karya.Chaos;

/// <summary>A call that came to the sink, or its answer.</summary>
internal readonly record struct Arrival(
    bool IsAnswer, long AtUs, UInt128 Plan, Guid Task, int Attempt, long Epoch, string Path);

/// <summary>The process of a <see cref="Sink"/>.</summary>
internal sealed class SinkProcess : IDisposable
{
    private readonly System.Diagnostics.Process _process;
    private readonly string _file;

    private SinkProcess(System.Diagnostics.Process process, string file, string authority)
    {
        _process = process;
        _file = file;
        Authority = authority;
    }

    public string Authority { get; }

    public static async Task<SinkProcess> StartAsync()
    {
        string file = Path.GetTempFileName();
        string executable = Path.ChangeExtension(typeof(SinkProcess).Assembly.Location, null);
        var process = System.Diagnostics.Process.Start(new ProcessStartInfo(executable)
        {
            ArgumentList = { "sink", file },
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        string authority = await process.StandardOutput.ReadLineAsync()
            ?? throw new InvalidOperationException("The sink did not start.");
        return new SinkProcess(process, file, authority);
    }

    public IReadOnlyList<Arrival> Read()
    {
        using var file = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        var arrivals = new List<Arrival>();
        while (reader.ReadLine() is { } line)
        {
            string[] words = line.Split(' ');
            if (words.Length < 7)
                continue; // It is being written.
            arrivals.Add(new Arrival(
                words[0] == "E",
                long.Parse(words[1], CultureInfo.InvariantCulture),
                Engine.Uuid.ToNumber(Guid.Parse(words[2])),
                Guid.Parse(words[3]),
                int.Parse(words[4], CultureInfo.InvariantCulture),
                long.Parse(words[5], CultureInfo.InvariantCulture),
                words[6]));
        }

        return arrivals;
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
        File.Delete(_file);
    }
}
