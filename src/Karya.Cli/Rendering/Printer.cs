using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Karya.Cli.Rendering;

/// <summary>Prints data in the form that was asked for. Times are those of one clock and one time zone.</summary>
internal sealed class Printer(Terminal terminal, OutputForm form, TimeProvider clock)
{
    /// <summary>Text is for terminals and programs, not for HTML: no need to escape more than JSON does.</summary>
    private static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    public OutputForm Form => form;

    public TimeText Times { get; } = new(clock);

    /// <summary>One thing.</summary>
    public void One(Action<Utf8JsonWriter> json, Action<Terminal> table)
    {
        if (form == OutputForm.Table)
            table(terminal);
        else
            Document(json);
    }

    /// <summary>Things that people see together. JSON has them as <c>items</c>, so that more can be said beside them.</summary>
    public async Task ManyAsync<T>(
        IAsyncEnumerable<T> items, Action<Utf8JsonWriter, T> json, Action<Terminal, IReadOnlyList<T>> table,
        CancellationToken stopping)
    {
        if (form == OutputForm.Table)
            table(terminal, await items.ToListAsync(stopping));
        else
            await EachAsync(items, json, (_, _) => { }, stopping);
    }

    /// <summary>Things that are worth a line each when they come. Only a JSON document has to wait for the last one.</summary>
    public async Task EachAsync<T>(
        IAsyncEnumerable<T> items, Action<Utf8JsonWriter, T> json, Action<Terminal, T> line, CancellationToken stopping)
    {
        if (form == OutputForm.Json)
        {
            Items(await items.ToListAsync(stopping), json);
            return;
        }

        await foreach (var item in items.WithCancellation(stopping))
            One(writer => json(writer, item), terminal => line(terminal, item));
    }

    /// <summary>A JSON document of things that are all there.</summary>
    public void Items<T>(IEnumerable<T> items, Action<Utf8JsonWriter, T> json) => Document(writer =>
    {
        writer.WriteStartObject();
        writer.WritePropertyName("items");
        WriteArray(writer, items, json);
        writer.WriteEndObject();
    });

    /// <summary>A JSON document that is an array.</summary>
    public void Array<T>(IEnumerable<T> items, Action<Utf8JsonWriter, T> json) =>
        Document(writer => WriteArray(writer, items, json));

    private static void WriteArray<T>(Utf8JsonWriter writer, IEnumerable<T> items, Action<Utf8JsonWriter, T> json)
    {
        writer.WriteStartArray();
        foreach (var item in items)
            json(writer, item);
        writer.WriteEndArray();
    }

    private void Document(Action<Utf8JsonWriter> json)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(
            bytes, new JsonWriterOptions { Indented = form == OutputForm.Json, Encoder = Encoder, NewLine = "\n" }))
        {
            json(writer);
        }

        terminal.Line(Encoding.UTF8.GetString(bytes.WrittenSpan));
        terminal.Output.Flush();
    }
}
