using System.Text.Json;
using Karya.Client.Plans;

namespace Karya.Client.Workers;

/// <summary>Arguments in, results out.</summary>
internal static class TaskJson
{
    /// <exception cref="PermanentTaskException">They cannot be read: no retry would help.</exception>
    public static TArgs Read<TArgs>(ReadOnlyMemory<byte> arguments, JsonSerializerOptions json, string name)
    {
        try
        {
            return JsonSerializer.Deserialize(arguments.Span, Json.TypeOf<TArgs>(json))!;
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new PermanentTaskException(
                $"The arguments of '{name}' cannot be read as {typeof(TArgs).Name}: {e.Message}", e);
        }
    }

    public static byte[] Write<TResult>(TResult result, JsonSerializerOptions json) =>
        JsonSerializer.SerializeToUtf8Bytes(result, Json.TypeOf<TResult>(json));
}
